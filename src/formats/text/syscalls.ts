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
  const rows = syscalls.flatMap((call) => [
    ...(isRefusedOnly(call) ? [] : [callRow(call)]),
    ...(call.refused > 0 ? [refusedRow(call)] : []),
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

function isRefusedOnly({ count, inFlightNs, refused }: Syscall): boolean {
  return refused > 0 && count === 0 && inFlightNs === 0;
}

function callRow(call: Syscall): Cell[] {
  return [
    escapeText(callName(call)),
    call.number,
    call.count,
    thousands(call.totalNs),
    extreme(call.maxNs),
    thousands(call.inFlightNs),
    ...activityCells(call),
    ...percentileCells(call.percentiles),
  ];
}

/** Refused before they began: there is no time to tell of. */
function refusedRow(call: Syscall): Cell[] {
  const error = call.refusedErrno === null ? '' : `: ${call.refusedErrno}`;
  return [`${escapeText(callName(call))} (refused${error})`, call.number, call.refused];
}

function activityCells(times: Parameters<typeof onCpuNs>[0]): Cell[] {
  return [thousands(onCpuNs(times)), thousands(times.readyNs), thousands(times.blockedNs)];
}
