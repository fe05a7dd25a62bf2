/** The table of system calls: the original's columns, and right of them where the time in the calls went. */
import { escapeText } from '../../escape.js';
import { sumSyscalls } from '../../report/poll.js';
import { callName, onCpuNs } from '../../report/syscalls.js';
import type { Syscall } from '../../report/types.js';
import { thousands } from '../../units.js';
import {
  count,
  extreme,
  maximum,
  name,
  percentileCells,
  percentileColumns,
  right,
  total,
} from './columns.js';
import type { Cell } from './table.js';

export const syscallColumns = [
  name,
  right('NUMBER', 6),
  count,
  total,
  maximum,
  right('IN FLIGHT ns', 16),
  right('ON CPU ns', 16),
  right('READY ns', 16),
  right('BLOCKED ns', 16),
  ...percentileColumns,
];

export function syscallRows(syscalls: readonly Syscall[]): Cell[][] {
  const rows: Cell[][] = syscalls.map((call) => [
    escapeText(callName(call)),
    call.number,
    call.count,
    thousands(call.totalNs),
    extreme(call.maxNs),
    thousands(call.inFlightNs),
    ...activityCells(call),
    ...percentileCells(call.percentiles),
  ]);
  const sum = sumSyscalls(syscalls);
  if (sum.count > 0 || sum.inFlightNs > 0) {
    rows.push([
      'TOTAL( - poll):',
      null,
      sum.count,
      thousands(sum.totalNs),
      null,
      thousands(sum.inFlightNs),
      ...activityCells(sum),
    ]);
  }
  return rows;
}

function activityCells(times: Parameters<typeof onCpuNs>[0]): Cell[] {
  return [thousands(onCpuNs(times)), thousands(times.readyNs), thousands(times.blockedNs)];
}
