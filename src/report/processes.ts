/** The threads of each process together. */
import { sumNs } from '../units.js';
import type { Budget, Process, Thread } from './types.js';

/** In the order of the targets; a process that is none of them, which cannot be, would come last. */
export function toProcesses(
  threads: readonly Thread[],
  targets: ReadonlyArray<{ pid: number; comm: string }>,
): Process[] {
  const comms = new Map<number, string | null>(targets.map(({ pid, comm }) => [pid, comm]));
  const byPid = new Map<number, Thread[]>(targets.map(({ pid }) => [pid, []]));
  for (const thread of threads) {
    const { pid, tid, comm } = thread;
    if ((comms.get(pid) ?? null) === null) comms.set(pid, tid === pid ? comm : null);
    const own = byPid.get(pid);
    if (own === undefined) byPid.set(pid, [thread]);
    else own.push(thread);
  }
  return [...byPid]
    .filter(([, own]) => own.length > 0)
    .map(([pid, own]) => ({
      pid,
      comm: comms.get(pid) ?? null,
      threads: own.length,
      budget: mapBudget((key) => Number(sumNs(own.map(({ budget }) => budget[key])))),
    }));
}

/** Exact. */
export type BudgetSum = Record<keyof Budget, bigint>;

export function sumBudgets(threads: readonly Thread[]): BudgetSum {
  return mapBudget((key) => sumNs(threads.map(({ budget }) => budget[key])));
}

function mapBudget<T>(value: (key: keyof Budget) => T): Record<keyof Budget, T> {
  return {
    wallNs: value('wallNs'),
    userNs: value('userNs'),
    kernelNs: value('kernelNs'),
    readyWokenNs: value('readyWokenNs'),
    readyPreemptedNs: value('readyPreemptedNs'),
    blockedNs: value('blockedNs'),
    stoppedNs: value('stoppedNs'),
    hardIrqNs: value('hardIrqNs'),
    softIrqNs: value('softIrqNs'),
    unknownNs: value('unknownNs'),
  };
}
