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
      budget: toBudget(sumBudgets(own)),
    }));
}

type Part = Exclude<keyof Budget, 'kernelOutsideCallsNs'>;

/** Exact; as in `Budget` the kernel's part outside of calls is null if it is not known. */
export type BudgetSum = Record<Part, bigint> & {
  kernelOutsideCallsNs: bigint | null;
};

/** Of all time outside of calls: if the kernel's part of more than that is not known, it is not known of the whole. */
const leastUnknown = 10n;

export function sumBudgets(threads: readonly Thread[]): BudgetSum {
  const budgets = threads.map(({ budget }) => budget);
  const sum = sumParts((key) => sumNs(budgets.map((budget) => budget[key])));
  const inKernelNs = sumNs(budgets.map(({ kernelOutsideCallsNs }) => kernelOutsideCallsNs ?? 0));
  const unknownNs = sumNs(
    budgets.map(({ kernelOutsideCallsNs, userNs }) => (kernelOutsideCallsNs === null ? userNs : 0)),
  );
  const outsideNs = sum.userNs + inKernelNs;
  return unknownNs * leastUnknown > outsideNs
    ? inOrder({ ...sum, userNs: outsideNs }, null)
    : inOrder(sum, inKernelNs);
}

function toBudget({ kernelOutsideCallsNs, ...sum }: BudgetSum): Budget {
  return inOrder(
    sumParts((key) => Number(sum[key])),
    kernelOutsideCallsNs === null ? null : Number(kernelOutsideCallsNs),
  );
}

/** As threads have it. */
function inOrder<T>(
  { wallNs, userNs, kernelNs, ...others }: Record<Part, T>,
  kernelOutsideCallsNs: T | null,
): Record<Part, T> & { kernelOutsideCallsNs: T | null } {
  return { wallNs, userNs, kernelNs, kernelOutsideCallsNs, ...others };
}

function sumParts<T>(value: (key: Part) => T): Record<Part, T> {
  return {
    wallNs: value('wallNs'),
    userNs: value('userNs'),
    kernelNs: value('kernelNs'),
    readyWokenNs: value('readyWokenNs'),
    readyPreemptedNs: value('readyPreemptedNs'),
    blockedNs: value('blockedNs'),
    stoppedNs: value('stoppedNs'),
    frozenNs: value('frozenNs'),
    hardIrqNs: value('hardIrqNs'),
    softIrqNs: value('softIrqNs'),
    unknownNs: value('unknownNs'),
  };
}
