/** Where the time went, in sentences: of the processes, then of the threads that matter. */
import { blockedParts } from '../report/syscalls.js';
import type { Process, Thread } from '../report/types.js';
import { shortTime } from '../units.js';
import type { Evidence } from './evidence.js';
import type { ThreadFacts } from './facts.js';
import { activities, nameOf, who } from './words.js';

/** Nobody reads more of them. */
const most = 3;

/** Below it a thread is not worth a sentence. */
const leastActive = 0.01;

/** `byActivity`: all threads, the busiest first. */
export function summarize(sample: Evidence, byActivity: readonly ThreadFacts[]): string[] {
  const { processes } = sample;
  const several = processes.filter(({ threads }) => threads > 1);
  const shown = busiestProcesses(several, byActivity).slice(0, most);
  const active = byActivity.filter(
    ({ activeNs, wallNs }) => activeNs > 0 && activeNs >= leastActive * wallNs,
  );
  const threads = (
    active.length === 0 && processes.length === 1 && several.length === 0 ? byActivity : active
  ).slice(0, most);
  return [
    ...shown.map((process) => processSentence(process, sample)),
    ...(several.length > most ? [`${several.length - most} more processes were less busy.`] : []),
    ...threads.map(({ thread }) => threadSentence(thread)),
    ...(active.length === 0 && byActivity.length > 0
      ? ['Hardly any thread did anything but wait where idle threads wait.']
      : []),
    ...(active.length > most ? [`${active.length - most} more threads were busy, but less so.`] : []),
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
