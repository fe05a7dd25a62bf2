/** The sections of one thread in the text report, each with its table. */
import { escapeText } from '../escape.js';
import { sumSyscalls } from '../report/poll.js';
import type { Budget, Ready, Syscall, Thread } from '../report/types.js';
import { percent, thousands } from '../units.js';
import { type Cell, type Column, tableLines } from './table.js';

export interface Section {
  title: string;
  /** Column titles, then rows. */
  lines: string[];
}

/** Syscall, run and ready always, the others when there is something to show. */
export function threadSections(thread: Thread): Section[] {
  return [
    section('SYSCALL STATISTICS', syscallColumns, syscallRows(thread.syscalls)),
    section('THREAD RUN STATISTICS', runColumns, runRows(thread.run)),
    section('THREAD READY STATISTICS', readyColumns, readyRows(thread.ready)),
    section('HARD IRQ STATISTICS', hardIrqColumns, hardIrqRows(thread.hardIrqs)),
    section('SOFT IRQ STATISTICS', softIrqColumns, softIrqRows(thread.softIrqs)),
    section('THREAD STOPPED STATISTICS', stoppedColumns, stoppedRows(thread.stopped)),
    section('TIME BUDGET', budgetColumns, budgetRows(thread.budget)),
  ].filter(({ lines }, index) => index < alwaysShown || lines.length > 1);
}

const alwaysShown = 3;

function section(title: string, columns: readonly Column[], rows: ReadonlyArray<readonly Cell[]>): Section {
  return { title: `[${title}]`, lines: tableLines(columns, rows) };
}

const left = (title: string, width: number): Column => ({ title, width, align: 'left' });
const right = (title: string, width: number): Column => ({ title, width, align: 'right' });

const name = left('NAME', 20);
const count = right('COUNT', 10);
// Its title stands left of its numbers, as in the original.
const schedCount = right('SCHED_CNT ', 10);
const total = right('TOTAL ns', 16);
const minimum = right('MIN ns', 16);
const maximum = right('MAX ns', 16);
const clipped = right('CLIPPED ns', 16);

const syscallColumns = [name, right('NUMBER', 6), count, total, maximum, right('IN FLIGHT ns', 16)];

function syscallRows(syscalls: readonly Syscall[]): Cell[][] {
  const rows: Cell[][] = syscalls.map((call) => [
    escapeText(call.abi === 'native' ? call.name : `${call.name}/${call.abi}`),
    call.number,
    call.count,
    thousands(call.totalNs),
    extreme(call.maxNs),
    thousands(call.inFlightNs),
  ]);
  const sum = sumSyscalls(syscalls);
  if (sum.count > 0 || sum.inFlightNs > 0) {
    rows.push(['TOTAL( - poll):', null, sum.count, thousands(sum.totalNs), null, thousands(sum.inFlightNs)]);
  }
  return rows;
}

const runColumns = [schedCount, total, minimum, maximum, clipped];

function runRows(run: Thread['run']): Cell[][] {
  if (run.count === 0 && run.clippedNs === 0) return [];
  return [
    [run.count, thousands(run.totalNs), extreme(run.minNs), extreme(run.maxNs), thousands(run.clippedNs)],
  ];
}

const readyColumns = [schedCount, total, maximum, clipped, left('CAUSE', 9)];

/** All waits as the original counts them, then each cause that occurred. */
function readyRows(ready: Ready): Cell[][] {
  if (ready.count === 0 && ready.clippedNs === 0) return [];
  const rows: Cell[][] = [
    [ready.count, thousands(ready.totalNs), extreme(ready.maxNs), thousands(ready.clippedNs), 'all'],
  ];
  for (const cause of ['woken', 'preempted'] as const) {
    const kind = ready[cause];
    if (kind.count > 0) rows.push([kind.count, thousands(kind.totalNs), extreme(kind.maxNs), null, cause]);
  }
  return rows;
}

const hardIrqColumns = [name, count, total, maximum, right('IRQ', 6)];

function hardIrqRows(irqs: Thread['hardIrqs']): Cell[][] {
  const rows: Cell[][] = irqs.map((irq) => [
    escapeText(irq.name),
    irq.count,
    thousands(irq.totalNs),
    extreme(irq.maxNs),
    irq.irq,
  ]);
  return irqs.length === 0
    ? []
    : [...rows, ['TOTAL:', sum(irqs, 'count'), thousands(sum(irqs, 'totalNs')), null, null]];
}

const softIrqColumns = [name, right('VECT_NR', 7), count, total, maximum];

function softIrqRows(irqs: Thread['softIrqs']): Cell[][] {
  const rows: Cell[][] = irqs.map((irq) => [
    escapeText(irq.name),
    irq.vector,
    irq.count,
    thousands(irq.totalNs),
    extreme(irq.maxNs),
  ]);
  return irqs.length === 0
    ? []
    : [...rows, ['TOTAL:', null, sum(irqs, 'count'), thousands(sum(irqs, 'totalNs')), null]];
}

const stoppedColumns = [schedCount, total, maximum, clipped];

function stoppedRows({ count, totalNs, maxNs, clippedNs }: Thread['stopped']): Cell[][] {
  if (count === 0 && clippedNs === 0) return [];
  return [[count, thousands(totalNs), extreme(maxNs), thousands(clippedNs)]];
}

const budgetColumns = [name, right('TIME ns', 16), right('% OF WALL', 9)];

const budgetNames: ReadonlyArray<readonly [keyof Budget, string]> = [
  ['userNs', 'user'],
  ['kernelNs', 'kernel'],
  ['readyWokenNs', 'ready (woken)'],
  ['readyPreemptedNs', 'ready (preempted)'],
  ['blockedNs', 'blocked'],
  ['stoppedNs', 'stopped'],
  ['hardIrqNs', 'hard irq'],
  ['softIrqNs', 'soft irq'],
  ['unknownNs', 'unknown'],
];

/** Zero rows are left out, but never `unknown`: that it is zero is the point. */
function budgetRows(budget: Budget): Cell[][] {
  const rows = budgetNames.filter(([key]) => key === 'unknownNs' || budget[key] > 0);
  return [...rows, ['wallNs', 'TOTAL (wall):'] as const].map(([key, label]) => [
    label,
    thousands(budget[key]),
    percent(budget[key], budget.wallNs),
  ]);
}

function extreme(value: number | null): string {
  return value === null ? '-' : thousands(value);
}

function sum<Key extends string>(rows: ReadonlyArray<Record<Key, number>>, key: Key): number {
  return rows.reduce((total, row) => total + row[key], 0);
}
