/** Where the time went, in sentences: of the processes, then of the threads that matter. */
import { blockedParts } from '../report/syscalls.js';
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

/** `byActivity`: all threads, the busiest first. */
export function summarize(sample: Evidence, byActivity: readonly ThreadFacts[]): string[] {
  const { processes } = sample;
  const several = processes.filter(({ threads }) => threads > 1);
  const shown = busiestProcesses(several, byActivity).slice(0, most);
  const active = byActivity.filter(isBusy);
  const threads = (
    active.length === 0 && processes.length === 1 && several.length === 0 ? byActivity : active
  ).slice(0, most);
  return [
    ...shown.map((process) => processSentence(process, sample)),
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

function processSentence({ pid, comm, threads, budget }: Process, { threads: all }: Evidence): string {
  const own = all.filter((thread) => thread.pid === pid);
  const name = comm === null ? '' : ` ${nameOf(comm)}`;
  const what = activities(budget, blockedParts(own)) || 'nothing';
  return `Process ${pid}${name}, ${threads} threads, ${shortTime(budget.wallNs)} together: ${what}.`;
}

function threadSentence(thread: Thread): string {
  const what = activities(thread.budget, blockedParts([thread])) || 'nothing';
  return `${who(thread)}, ${shortTime(thread.budget.wallNs)}: ${what}.`;
}
