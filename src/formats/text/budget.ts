/** Where time went: as a table, and as a bar that needs no colour. */
import { escapeText } from '../../escape.js';
import { type BudgetSum, sumBudgets } from '../../report/processes.js';
import { type BlockedPart, blockedParts } from '../../report/syscalls.js';
import type { Budget, Thread } from '../../report/types.js';
import { apportion, percent, thousands } from '../../units.js';
import { left, right } from './columns.js';
import type { Cell } from './table.js';

export const budgetColumns = [left('NAME', 20), right('TIME ns', 16), right('% OF WALL', 9)];

interface Activity {
  key: keyof Budget;
  label: string;
  /** Its letter in the bar. */
  letter: string;
}

const activities: readonly Activity[] = [
  { key: 'userNs', label: 'user', letter: 'U' },
  { key: 'kernelNs', label: 'kernel', letter: 'K' },
  { key: 'kernelOutsideCallsNs', label: 'kernel (faults, exceptions)', letter: 'F' },
  { key: 'readyWokenNs', label: 'ready (woken)', letter: 'W' },
  { key: 'readyPreemptedNs', label: 'ready (preempted)', letter: 'P' },
  { key: 'blockedNs', label: 'blocked', letter: 'B' },
  { key: 'stoppedNs', label: 'stopped', letter: 'S' },
  { key: 'frozenNs', label: 'frozen', letter: 'Z' },
  { key: 'hardIrqNs', label: 'hard irq', letter: 'H' },
  { key: 'softIrqNs', label: 'soft irq', letter: 'I' },
  { key: 'unknownNs', label: 'unknown', letter: '?' },
];

const outsideCalls = 'outside calls';

/** Where user code cannot be told from the kernel, outside of calls, that is no time of user code's. */
const withoutUserCode = activities.map((activity) =>
  activity.key === 'userNs' ? { ...activity, label: outsideCalls } : activity,
);

function named({
  kernelOutsideCallsNs,
}: Pick<BudgetSum | Budget, 'kernelOutsideCallsNs'>): readonly Activity[] {
  return kernelOutsideCallsNs === null ? withoutUserCode : activities;
}

export function threadBudgetRows(thread: Thread): Cell[][] {
  return budgetRows(sumBudgets([thread]), blockedParts([thread]), 'wall');
}

/**
 * Of all threads of a process, and what these were blocked in. Summed up anew: the report's own sums are exact up to 2^53 only.
 */
export function processBudgetRows(threads: readonly Thread[], blocked: readonly BlockedPart[]): Cell[][] {
  return budgetRows(sumBudgets(threads), blocked, `${threads.length} threads`);
}

/** Zero rows are left out, but never `unknown`: that it is zero is the point. */
function budgetRows(budget: BudgetSum, blocked: readonly BlockedPart[], whole: string): Cell[][] {
  const row = (label: string, ns: bigint): Cell[] => [label, thousands(ns), percent(ns, budget.wallNs)];
  const shown = named(budget).filter(({ key }) => key === 'unknownNs' || (budget[key] ?? 0n) > 0);
  return [
    ...shown.flatMap(({ key, label }) => [
      row(label, budget[key] ?? 0n),
      ...(key === 'blockedNs' ? blockedRows(blocked, budget.blockedNs, row) : []),
    ]),
    row(`TOTAL (${whole}):`, budget.wallNs),
  ];
}

/** Nobody reads more of them. */
const mostCalls = 5;

/** What `blocked` is made of: parts of its time, not more time. */
function blockedRows(
  parts: readonly BlockedPart[],
  blockedNs: bigint,
  row: (label: string, ns: bigint) => Cell[],
): Cell[][] {
  const shown = parts.slice(0, mostCalls);
  const sum = (some: readonly BlockedPart[]) => some.reduce((total, part) => total + part.blockedNs, 0n);
  const left = sum(parts.slice(mostCalls));
  const unattributedNs = blockedNs - sum(parts);
  const rows = shown.map(({ call, blockedNs }) =>
    row(`  blocked: ${call === null ? outsideCalls : escapeText(call)}`, blockedNs),
  );
  if (left > 0) rows.push(row(`  blocked: ${parts.length - shown.length} others`, left));
  if (unattributedNs > 0) rows.push(row('  blocked: not known', unattributedNs));
  return rows;
}

const barLength = 50;

/** A letter for each fiftieth of the time, and what the letters mean; nothing of nothing. */
export function barLines(budget: Budget): string[] {
  const lengths = apportion(
    activities.map(({ key }) => budget[key] ?? 0),
    barLength,
  );
  const bar = activities.map(({ letter }, index) => letter.repeat(lengths[index] ?? 0)).join('');
  if (bar === '') return [];
  const drawn = named(budget).filter((_, index) => (lengths[index] ?? 0) > 0);
  const legend = drawn.map(({ letter, label }) => `${letter} ${label}`);
  return [`|${bar}|`, ` ${legend.join('  ')}`];
}
