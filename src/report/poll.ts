import { pollNames, pollNamesOf32Bit } from '../constants.js';
import type { CallTimes } from './syscalls.js';
import type { Syscall } from './types.js';

/** Calls that wait for something to happen: an idle thread sits in one, so their time says nothing about the kernel. */
export const pollFamily: ReadonlySet<string> = new Set([...pollNames, ...pollNamesOf32Bit]);

/** Sums over all calls but the poll family. */
export function sumSyscalls(syscalls: readonly Syscall[]): CallTimes & { count: number } {
  const sum = { count: 0, totalNs: 0, inFlightNs: 0, readyNs: 0, blockedNs: 0, stoppedNs: 0 };
  for (const call of syscalls) {
    if (pollFamily.has(call.name)) continue;
    for (const key of Object.keys(sum) as Array<keyof typeof sum>) sum[key] += call[key];
  }
  return sum;
}
