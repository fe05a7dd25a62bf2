/** From a sample's numbers to sentences: where the time went, what that points to, and what to do next. */
import { finished, type Steps } from '../report/steps.js';
import { BlockedSum } from '../report/syscalls.js';
import type { Finding, Verdict } from '../report/types.js';
import { type Evidence, missingEvidence } from './evidence.js';
import { type ThreadFacts, threadFacts } from './facts.js';
import { limits } from './limits.js';
import { machineRules, threadRules } from './rules.js';
import { isBusy, summarize } from './summary.js';
import { who } from './words.js';

/** What is said of a thread must be worth it: of 1,000 threads, few are what one asks about. */
const mostThreads = 10;

/** `cpus`: how many the machine has. */
export function buildVerdict(sample: Evidence, cpus: number): Verdict {
  return finished(verdictSteps(sample, cpus));
}

/** The same in steps. The calls of each thread are read once, but for those of the busiest threads. */
export function* verdictSteps(sample: Evidence, cpus: number): Steps<Verdict> {
  const byActivity: ThreadFacts[] = [];
  const blocked = new Map<number, BlockedSum>();
  for (const thread of sample.threads) {
    byActivity.push(threadFacts(thread, sample.windowNs));
    const ofProcess = blocked.get(thread.pid) ?? new BlockedSum();
    ofProcess.add(thread);
    blocked.set(thread.pid, ofProcess);
    yield;
  }
  byActivity.sort((a, b) => b.activeNs - a.activeNs);
  const missing = missingEvidence(sample, byActivity);
  const found = [
    ...machineRules.flatMap((rule) => {
      const atStake = rule.atStake(sample, cpus);
      if (atStake === null) return [];
      const text = `${rule.says(sample, cpus)}.`;
      return [{ atStake, finding: { rule: rule.id, ...machine, text, next: rule.next } satisfies Finding }];
    }),
    ...byActivity
      .filter(({ wallNs, windowNs }) => wallNs >= Math.min(windowNs / 2, limits.shortWindowNs))
      .slice(0, mostThreads)
      .flatMap(threadFindings),
  ];
  const isIdle = missing.length === 0 && !byActivity.some(isBusy);
  const isClear = missing.length === 0 && found.length === 0;
  return {
    summary: [
      ...(missing.length === 0 ? [] : [`Not enough evidence: ${missing.join('; ')}.`]),
      ...summarize(sample, byActivity, blocked),
      ...(isIdle ? ['No thread was busy for a hundredth of the window.'] : []),
      ...(isClear ? ['Nothing here points to the kernel.'] : []),
    ],
    findings: found.sort((a, b) => b.atStake - a.atStake).map(({ finding }) => finding),
    enoughEvidence: missing.length === 0,
  };
}

const machine = { pid: null, tid: null, comm: null };

function threadFindings(facts: ThreadFacts): Array<{ atStake: number; finding: Finding }> {
  const { pid, tid, comm } = facts.thread;
  return threadRules.flatMap((rule) => {
    const atStake = rule.atStake(facts);
    if (atStake === null) return [];
    const text = `${who(facts.thread)} ${rule.says(facts)}.`;
    return [{ atStake, finding: { rule: rule.id, pid, tid, comm, text, next: rule.next(facts) } }];
  });
}
