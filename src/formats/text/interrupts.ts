/** The tables of interrupts. */
import { escapeText } from '../../escape.js';
import type { Thread } from '../../report/types.js';
import { thousands } from '../../units.js';
import { count, extreme, maximum, name, right, sum, total } from './columns.js';
import type { Cell } from './table.js';

export const hardIrqColumns = [name, count, total, maximum, right('IRQ', 6)];

export function hardIrqRows(irqs: Thread['hardIrqs']): Cell[][] {
  if (irqs.length === 0) return [];
  return [
    ...irqs.map((irq) => [
      escapeText(irq.name),
      irq.count,
      thousands(irq.totalNs),
      extreme(irq.maxNs),
      irq.irq,
    ]),
    ['TOTAL:', sum(irqs, 'count'), thousands(sum(irqs, 'totalNs')), null, null],
  ];
}

export const softIrqColumns = [name, right('VECT_NR', 7), count, total, maximum];

export function softIrqRows(irqs: Thread['softIrqs']): Cell[][] {
  if (irqs.length === 0) return [];
  return [
    ...irqs.map((irq) => [
      escapeText(irq.name),
      irq.vector,
      irq.count,
      thousands(irq.totalNs),
      extreme(irq.maxNs),
    ]),
    ['TOTAL:', null, sum(irqs, 'count'), thousands(sum(irqs, 'totalNs')), null],
  ];
}

/** Local ones have the same columns as soft ones. */
export const localIrqColumns = softIrqColumns;
export const localIrqRows: (localIrqs: Thread['localIrqs']) => Cell[][] = softIrqRows;
