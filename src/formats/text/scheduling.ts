/** The tables of a thread's times on and off the CPU. */
import type { Faults, LongPoll, Ready, Run, Stopped } from '../../report/types.js';
import { mean, thousands } from '../../units.js';
import {
  clipped,
  count,
  extreme,
  left,
  maximum,
  minimum,
  percentileCells,
  percentileColumns,
  right,
  schedCount,
  total,
} from './columns.js';
import type { Cell } from './table.js';

export const runColumns = [schedCount, total, minimum, maximum, clipped, ...percentileColumns];

export function runRows(run: Run): Cell[][] {
  if (run.count === 0 && run.clippedNs === 0) return [];
  return [
    [
      run.count,
      thousands(run.totalNs),
      extreme(run.minNs),
      extreme(run.maxNs),
      thousands(run.clippedNs),
      ...percentileCells(run.percentiles),
    ],
  ];
}

export const readyColumns = [schedCount, total, maximum, clipped, left('CAUSE', 9), ...percentileColumns];

/** All waits as the original counts them, then each cause that occurred. */
export function readyRows(ready: Ready): Cell[][] {
  if (ready.count === 0 && ready.clippedNs === 0) return [];
  const rows: Cell[][] = [
    [
      ready.count,
      thousands(ready.totalNs),
      extreme(ready.maxNs),
      thousands(ready.clippedNs),
      'all',
      ...percentileCells(ready.percentiles),
    ],
  ];
  for (const cause of ['woken', 'preempted'] as const) {
    const kind = ready[cause];
    if (kind.count > 0) rows.push([kind.count, thousands(kind.totalNs), extreme(kind.maxNs), null, cause]);
  }
  return rows;
}

export const stoppedColumns = [schedCount, total, maximum, clipped];

export function stoppedRows({ count, totalNs, maxNs, clippedNs }: Stopped): Cell[][] {
  if (count === 0 && clippedNs === 0) return [];
  return [[count, thousands(totalNs), extreme(maxNs), thousands(clippedNs)]];
}

export const longPollColumns = [count, right('AVERAGE ns', 16), minimum, maximum, ...percentileColumns];

export function longPollRows({ count, totalNs, minNs, maxNs, percentiles }: LongPoll): Cell[][] {
  if (count === 0) return [];
  return [
    [count, thousands(mean(totalNs, count)), extreme(minNs), extreme(maxNs), ...percentileCells(percentiles)],
  ];
}

export const faultColumns = [right('MINOR', 10), right('MAJOR', 10), right('BLOCKED ns', 16)];

export function faultRows({ minor, major, blockedNs }: Faults): Cell[][] {
  if ((minor ?? 0) === 0 && (major ?? 0) === 0 && blockedNs === 0) return [];
  return [[minor ?? '-', major ?? '-', thousands(blockedNs)]];
}
