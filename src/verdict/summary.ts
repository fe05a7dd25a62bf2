/** Where the time went, in sentences: of the processes, then of the threads that matter. */
import { type BlockedPart, type BlockedSum, blockedParts } from '../report/syscalls.js';
import type { Process, Thread } from '../report/types.js';
import { shortTime } from '../units.js';
import type { Evidence } from './evidence.js';
import type { ThreadFacts } from './facts.js';
import { activities, more, nameOf, who } from './words.js';

/** Nobody reads more of them. */
const most = 3;

/** Of the window: below it a thread is not worth a sentence. */
const leastActive = 0.01;

export function isBusy({ activeNs, windowNs }: ThreadFacts): boolean {
  return activeNs > 0 && activeNs >= leastActive * windowNs;
}

/** `byActivity`: all threads, the busiest first. `blocked`: what the processes were blocked in, by pid. */
export function summarize(
  { processes }: Evidence,
  byActivity: readonly ThreadFacts[],
  blocked: ReadonlyMap<number, BlockedSum>,
): string[] {
  const several = processes.filter(({ threads }) => threads > 1);
  const shown = busiestProcesses(several, byActivity).slice(0, most);
  const active = byActivity.filter(isBusy);
  const threads = (
    active.length === 0 && processes.length === 1 && several.length === 0 ? byActivity : active
  ).slice(0, most);
  return [
    ...shown.map((process) => processSentence(process, blocked.get(process.pid)?.parts() ?? [])),
    ...(several.length > most ? [`Less busy: ${more(several.length - most, 'process', 'processes')}.`] : []),
    ...threads.map(({ thread }) => threadSentence(thread)),
    ...(active.length > most
      ? [`Busy, but less so: ${more(active.length - most, 'thread', 'threads')}.`]
      : []),
  ];
}

function busiestProcesses(processes: readonly Process[], byActivity: readonly ThreadFacts[]): Process[] {
  const activeNs = new Map<number, number>();
  for (const { thread, activeNs: ns } of byActivity)
    activeNs.set(thread.pid, (activeNs.get(thread.pid) ?? 0) + ns);
  return [...processes].sort((a, b) => (activeNs.get(b.pid) ?? 0) - (activeNs.get(a.pid) ?? 0));
}

function processSentence({ pid, comm, threads, budget }: Process, blocked: readonly BlockedPart[]): string {
  const name = comm === null ? '' : ` ${nameOf(comm)}`;
  const what = activities(budget, blocked) || 'nothing';
  return `Process ${pid}${name}, ${threads} threads, ${shortTime(budget.wallNs)} together: ${what}.`;
}

function threadSentence(thread: Thread): string {
  const what = activities(thread.budget, blockedParts([thread])) || 'nothing';
  return `${who(thread)}, ${shortTime(thread.budget.wallNs)}: ${what}.`;
}
