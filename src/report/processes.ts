/** The threads of each process together. */
import type { Budget, Process, Thread } from './types.js';

/** In the order of the targets; a process that is none of them, which cannot be, would come last. */
export function toProcesses(
  threads: readonly Thread[],
  targets: ReadonlyArray<{ pid: number; comm: string }>,
): Process[] {
  const sums = new Map<number, Process>(
    targets.map(({ pid, comm }) => [pid, { pid, comm, threads: 0, budget: { ...noTime } }]),
  );
  for (const thread of threads) {
    const { pid, tid, comm } = thread;
    const sum = sums.get(pid) ?? { pid, comm: null, threads: 0, budget: { ...noTime } };
    if (sum.comm === null && tid === pid) sum.comm = comm;
    sum.threads++;
    for (const key of Object.keys(noTime) as Array<keyof Budget>) sum.budget[key] += thread.budget[key];
    sums.set(pid, sum);
  }
  return [...sums.values()].filter((process) => process.threads > 0);
}

const noTime: Readonly<Budget> = {
  wallNs: 0,
  userNs: 0,
  kernelNs: 0,
  readyWokenNs: 0,
  readyPreemptedNs: 0,
  blockedNs: 0,
  stoppedNs: 0,
  hardIrqNs: 0,
  softIrqNs: 0,
  unknownNs: 0,
};
