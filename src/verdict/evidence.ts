/** Whether a sample's numbers can carry a verdict. */
import type { CapturedSample } from '../report/events.js';
import { shortTime, wholeNumber, wholePercent } from '../units.js';
import type { ThreadFacts } from './facts.js';
import { limits } from './limits.js';
import { who } from './words.js';

export type Evidence = Pick<
  CapturedSample,
  'start' | 'stop' | 'windowNs' | 'threads' | 'processes' | 'losses' | 'stealNs'
>;

/** Threads to be sure of, before one trusts the whole. */
const mostDoubted = 3;

/** What is missing, a phrase each; none: it is enough. `byActivity`: all threads, the busiest first. */
export function missingEvidence(sample: Evidence, byActivity: readonly ThreadFacts[]): string[] {
  if (sample.threads.length === 0) return ['no thread was seen'];
  return [
    ...shortWindow(sample),
    ...unknownTime(sample, byActivity),
    ...byActivity.slice(0, mostDoubted).flatMap(({ thread, wallNs, activeNs }) => {
      const { unknownNs } = thread.budget;
      return activeNs > 0 && unknownNs > limits.unknownShare * wallNs
        ? [`${wholePercent(unknownNs, wallNs)} of the time of ${who(thread)} is unknown`]
        : [];
    }),
    ...lost(sample, byActivity),
  ];
}

/** Between two events that triggers named, the length is what it is. */
function shortWindow({ start, stop, windowNs }: Evidence): string[] {
  if (windowNs >= limits.shortWindowNs || (start.by === 'trigger' && stop.by === 'trigger')) return [];
  return [`the window of ${shortTime(windowNs)} is shorter than a few slices of the scheduler`];
}

function unknownTime({ processes }: Evidence, all: readonly ThreadFacts[]): string[] {
  const sum = (key: 'wallNs' | 'unknownNs' | 'blockedNs') =>
    processes.reduce((total, { budget }) => total + budget[key], 0);
  const wallNs = sum('wallNs');
  const attributedNs = all.reduce(
    (total, { thread, calls }) => total + calls.blockedNs + thread.faults.blockedNs,
    0,
  );
  const parts: ReadonlyArray<readonly [number, string]> = [
    [sum('unknownNs'), 'is unknown'],
    [sum('blockedNs') - attributedNs, 'was blocked, and in what is unknown'],
  ];
  return parts
    .filter(([ns]) => ns > limits.unknownShare * wallNs)
    .map(([ns, what]) => `${wholePercent(ns, wallNs)} of the threads’ time ${what}`);
}

function lost({ losses }: Evidence, all: readonly ThreadFacts[]): string[] {
  const uncounted = losses.threadsUntracked + losses.syscallsUntracked;
  const missed = losses.switchesMissed + losses.negativeIntervals + (losses.recursionMisses ?? 0);
  const counted = all.reduce((sum, { thread, calls }) => sum + thread.run.count + calls.count, 0);
  return [
    ...(uncounted > limits.lossShare * counted
      ? [`${wholeNumber(uncounted)} events were not counted for want of room`]
      : []),
    ...(missed > limits.lossShare * counted
      ? [`${wholeNumber(missed)} events were not seen, or made no sense`]
      : []),
  ];
}
