/** From a sample's numbers to sentences: where the time went, what that points to, and what to do next. */
import type { Finding, Verdict } from '../report/types.js';
import { type Evidence, missingEvidence } from './evidence.js';
import { type ThreadFacts, threadFacts } from './facts.js';
import { limits } from './limits.js';
import { machineRules, threadRules } from './rules.js';
import { isBusy, summarize } from './summary.js';
import { who } from './words.js';

/** What is said of a thread must be worth it: of 1,000 threads, few are what one asks about. */
const mostThreads = 10;

/** Threads to be sure of, before one trusts the whole. */
const mostDoubted = 3;

/** `cpus`: how many the machine has. */
export function buildVerdict(sample: Evidence, cpus: number): Verdict {
  const byActivity = sample.threads
    .map((thread) => threadFacts(thread, sample.windowNs))
    .sort((a, b) => b.activeNs - a.activeNs);
  const missing = missingEvidence(sample, byActivity.slice(0, mostDoubted));
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
      ...summarize(sample, byActivity),
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
