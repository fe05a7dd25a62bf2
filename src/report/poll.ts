import type { CallTimes } from './syscalls.js';
import type { Syscall } from './types.js';

/** Calls that wait for something to happen: an idle thread sits in one, so their time says nothing about the kernel. */
export const pollNames = [
  'poll',
  'ppoll',
  'select',
  'pselect6',
  'epoll_wait',
  'epoll_pwait',
  'epoll_pwait2',
] as const;

/** And as 32-bit tables call them. */
export const pollFamily: ReadonlySet<string> = new Set([
  ...pollNames,
  '_newselect',
  'ppoll_time64',
  'pselect6_time64',
]);

/** Sums over all calls but the poll family. */
export function sumSyscalls(syscalls: readonly Syscall[]): CallTimes & { count: number } {
  const sum = { count: 0, totalNs: 0, inFlightNs: 0, readyNs: 0, blockedNs: 0, stoppedNs: 0 };
  for (const call of syscalls) {
    if (pollFamily.has(call.name)) continue;
    for (const key of Object.keys(sum) as Array<keyof typeof sum>) sum[key] += call[key];
  }
  return sum;
}
