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

/** What threads were blocked in, summed up thread by thread. */
export class BlockedSum {
  readonly #byCall = new Map<string | null, bigint>();

  add({ syscalls, faults }: Pick<Thread, 'syscalls' | 'faults'>): void {
    for (const call of syscalls) this.#addTo(callName(call), call.blockedNs);
    this.#addTo(null, faults.blockedNs);
  }

  /** Longest first. */
  parts(): BlockedPart[] {
    return [...this.#byCall]
      .map(([call, blockedNs]) => ({ call, blockedNs }))
      .sort((a, b) => Number(b.blockedNs - a.blockedNs));
  }

  #addTo(call: string | null, blockedNs: number): void {
    if (blockedNs > 0) this.#byCall.set(call, (this.#byCall.get(call) ?? 0n) + BigInt(blockedNs));
  }
}

/** What the threads were blocked in, longest first. */
export function blockedParts(threads: Iterable<Thread>): BlockedPart[] {
  const sum = new BlockedSum();
  for (const thread of threads) sum.add(thread);
  return sum.parts();
}
