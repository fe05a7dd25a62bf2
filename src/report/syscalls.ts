/** What follows from the times of system calls. */
import type { Syscall, Thread } from './types.js';

/** The parts of a call's time. */
export type CallTimes = Pick<Syscall, 'totalNs' | 'inFlightNs' | 'readyNs' | 'blockedNs' | 'stoppedNs'>;

/** Of whole calls and of those in flight together; interrupts are in it. */
export function onCpuNs({ totalNs, inFlightNs, readyNs, blockedNs, stoppedNs }: CallTimes): number {
  return Math.max(0, totalNs + inFlightNs - readyNs - blockedNs - stoppedNs);
}

/** As reports name it: calls of other tables have theirs behind. */
export function callName({ name, abi }: Pick<Syscall, 'name' | 'abi'>): string {
  return abi === 'native' ? name : `${name}/${abi}`;
}

export interface BlockedPart {
  /** Null: outside of any call. */
  call: string | null;
  /** Exact: of all threads together it may pass 2^53. */
  blockedNs: bigint;
}

/** What the threads were blocked in, longest first. */
export function blockedParts(threads: readonly Thread[]): BlockedPart[] {
  const byCall = new Map<string | null, bigint>();
  const add = (call: string | null, blockedNs: number) => {
    if (blockedNs > 0) byCall.set(call, (byCall.get(call) ?? 0n) + BigInt(blockedNs));
  };
  for (const { syscalls, faults } of threads) {
    for (const call of syscalls) add(callName(call), call.blockedNs);
    add(null, faults.blockedNs);
  }
  return [...byCall]
    .map(([call, blockedNs]) => ({ call, blockedNs }))
    .sort((a, b) => Number(b.blockedNs - a.blockedNs));
}
