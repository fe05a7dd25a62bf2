/** The section of Open vSwitch's upcalls. */
import { escapeText } from '../../escape.js';
import type { Upcall } from '../../report/types.js';
import { thousands } from '../../units.js';
import type { Pieces } from '../format.js';
import { left, right, sum } from './columns.js';
import { type Cell, tableLines } from './table.js';

const columns = [right('CPU', 6), left('RESULT', 16), right('COUNT', 14)];

/** Nothing where there were none, or where they were not counted. */
export function* upcallPieces(upcalls: readonly Upcall[] | null): Pieces {
  if (upcalls === null || upcalls.length === 0) return;
  const rows: Cell[][] = upcalls.map(({ cpu, result, errno, count }) => [
    cpu,
    errno === null ? result : `${result} ${escapeText(errno)}`,
    thousands(count),
  ]);
  rows.push(['TOTAL:', null, thousands(sum(upcalls, 'count'))]);
  yield '\n\n# UPCALL STATISTICS:\n';
  for (const line of tableLines(columns, rows)) yield `  ${line}\n`;
}
