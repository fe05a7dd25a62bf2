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
export function sumSyscalls(syscalls: readonly Syscall[]): {
  count: number;
  totalNs: number;
  inFlightNs: number;
} {
  const sum = { count: 0, totalNs: 0, inFlightNs: 0 };
  for (const call of syscalls) {
    if (pollFamily.has(call.name)) continue;
    sum.count += call.count;
    sum.totalNs += call.totalNs;
    sum.inFlightNs += call.inFlightNs;
  }
  return sum;
}
