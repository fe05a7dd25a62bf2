import type { Losses } from './types.js';

/** What each loss means to the reader and what to do about it. The text report and stderr both print these. */
const explanations: Readonly<Record<keyof Losses, readonly [what: string, advice: string]>> = {
  eventsDropped: [
    'events were dropped: the ring buffer was full',
    'Increase it with the --buffer-page-count option.',
  ],
  eventsOverLimit: [
    'recorded calls were left out: longer ones filled the sample',
    'Record fewer with -s NS or --syscall, or increase the --event-limit option.',
  ],
  threadsUntracked: [
    'events of threads were not counted: no record was free for them',
    'What threads without one did is unknown in the budgets: increase --thread-capacity, or capture fewer processes.',
  ],
  syscallsUntracked: [
    'system calls or interrupts were not counted: their table was full',
    'Increase --thread-capacity, or take shorter samples.',
  ],
  stacksLost: [
    'stacks were lost: there was no room for them, or the kernel did not hand them over',
    'Record fewer calls with -s NS or --syscall, or increase the --buffer-page-count option.',
  ],
  stacksTruncated: [
    'user stacks do not reach the first function of their thread',
    'Each says why at its end; where it is cut, increase the --user-stack-bytes option.',
  ],
  framesUnresolved: [
    'stack frames have no name',
    'Install the debug symbols of their modules, fetch them with --debuginfod, or name them elsewhere by build id and address.',
  ],
  triggersMissed: [
    'triggers fired while the previous sample was still being read',
    'Choose a trigger that fires less often.',
  ],
  recursionMisses: [
    'probe runs were skipped by the kernel because the probe was already running',
    'Counts and times are too low by these; stop other tracers and capture again.',
  ],
  negativeIntervals: [
    'intervals were discarded because their end lay before their start',
    'The CPUs’ clocks disagree: check the kernel log for clocksource messages.',
  ],
  switchesMissed: [
    'switches or wakeups were not reported by the kernel',
    'The time around them is unknown in the budgets; system call counts are not affected.',
  ],
  recorderOverwritten: [
    'switches or wakeups of the machine were overwritten before they were read',
    'Who ran instead, who woke, and what waits were for is not known around them: increase the --recorder-bytes option.',
  ],
};

export const noLosses: Losses = {
  eventsDropped: 0,
  eventsOverLimit: 0,
  threadsUntracked: 0,
  syscallsUntracked: 0,
  stacksLost: 0,
  stacksTruncated: 0,
  framesUnresolved: 0,
  triggersMissed: 0,
  recursionMisses: null,
  negativeIntervals: 0,
  switchesMissed: 0,
  recorderOverwritten: 0,
};

/** Sum of two samples' losses. Unknown and unknown stays unknown. */
export function addLosses(a: Losses, b: Losses): Losses {
  return {
    eventsDropped: a.eventsDropped + b.eventsDropped,
    eventsOverLimit: a.eventsOverLimit + b.eventsOverLimit,
    threadsUntracked: a.threadsUntracked + b.threadsUntracked,
    syscallsUntracked: a.syscallsUntracked + b.syscallsUntracked,
    stacksLost: a.stacksLost + b.stacksLost,
    stacksTruncated: a.stacksTruncated + b.stacksTruncated,
    framesUnresolved: a.framesUnresolved + b.framesUnresolved,
    triggersMissed: a.triggersMissed + b.triggersMissed,
    recursionMisses:
      a.recursionMisses === null && b.recursionMisses === null
        ? null
        : (a.recursionMisses ?? 0) + (b.recursionMisses ?? 0),
    negativeIntervals: a.negativeIntervals + b.negativeIntervals,
    switchesMissed: a.switchesMissed + b.switchesMissed,
    recorderOverwritten: a.recorderOverwritten + b.recorderOverwritten,
  };
}

export interface LossWarning {
  what: string;
  advice: string;
}

/** A warning for each loss that is not zero. */
export function lossWarnings(losses: Losses): LossWarning[] {
  return (Object.keys(explanations) as Array<keyof Losses>).flatMap((key) => {
    const count = losses[key] ?? 0;
    const [what, advice] = explanations[key];
    return count === 0 ? [] : [{ what: `${count} ${what}`, advice }];
  });
}
