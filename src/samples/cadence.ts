/** How often: windows one after the other, until there are enough, a signal ends the run, or every target has ended. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CapturedSample } from '../report/events.js';
import type { WindowStart } from '../report/types.js';
import type { Window } from '../report/window.js';
import type { StopReason } from '../session/session.js';

export interface CadencePlan {
  sampleCount: number;
  /** Pause between windows in seconds. */
  sampleInterval: number;
  /** Length of a window in seconds; null: until the stop trigger fires or every target has ended. */
  sampleTime: number | null;
  /** Windows that two triggers, or the stop trigger, made shorter than this (ns) are dropped and do not count. */
  triggerDelta: number;
  /** Seconds to wait for a trigger; null: for ever. */
  triggerTimeout: number | null;
}

/** What the cadence needs of a CaptureSession. */
export interface WindowSource {
  readonly targetsAlive: boolean;
  /** Windows that may be armed, open or unread at the same time. */
  readonly windowsAhead: number;
  readonly closedWindow: Window | null;
  start(seconds: number | null): WindowStart | null;
  wait(options: { triggerTimeout: number | null }): Promise<StopReason>;
  stop(): void;
  read(): Promise<CapturedSample>;
  /** A read() under way, or the next one, ends soon, with what it has found of stacks and names. */
  hurry(): void;
  discard(): Promise<void>;
}

export interface CadenceHooks {
  /** Aborted when the user wants to end the run. */
  signal: AbortSignal;
  /** Called when a window has opened or is armed, with the number of the sample. What it returns is awaited before the window's end is. */
  onOpen?: (index: number) => unknown;
  /** Called when it has closed. */
  onClosed?: () => void;
  clock?: Clock;
}

/** Time in milliseconds. sleep() resolves early when the signal is aborted. */
export interface Clock {
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** What came of a window: a sample, or none because it was too short, or its call left without a return. */
export type Taken = { sample: CapturedSample } | { skipped: Window };

/** `start-timeout`, `stop-timeout`: which trigger did not fire in time. */
export type CadenceEnd = 'complete' | 'signal' | 'exit' | 'start-timeout' | 'stop-timeout';

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
};

export async function* takeSamples(
  source: WindowSource,
  plan: CadencePlan,
  { signal, onOpen, onClosed, clock = systemClock }: CadenceHooks,
): AsyncGenerator<Taken, CadenceEnd> {
  let taken = 0;
  let skipped = 0;
  let left = 0;
  let pending = 0;
  let first = true;
  let hurried = false;
  while (taken < plan.sampleCount) {
    if (!first && pending === 0) {
      const alive = await pause(source, plan.sampleInterval * 1000, signal, clock);
      if (!alive) return 'exit';
    }
    first = false;
    const stop = () => source.stop();
    if (signal.aborted) {
      if (pending === 0) return 'signal';
      // Windows that closed while a sample was read or printed are read as well; those that are armed are taken back.
      stop();
      if (source.closedWindow === null) return 'signal';
    } else {
      // Windows are armed before they are needed: the next start trigger finds one even while a sample is being read.
      for (const ahead = windowsAhead(source, plan, plan.sampleCount - taken); pending < ahead; pending++) {
        source.start(plan.sampleTime);
      }
    }
    signal.addEventListener('abort', stop);
    let reason: StopReason;
    try {
      await onOpen?.(taken);
      reason = await source.wait({ triggerTimeout: plan.triggerTimeout });
    } finally {
      signal.removeEventListener('abort', stop);
      onClosed?.();
    }
    const window = source.closedWindow;
    if (window === null) return reason === 'timeout' ? 'start-timeout' : whyNone(reason);
    pending--;
    const isLeft = reason === 'left';
    if (isLeft || (reason === 'trigger' && window.windowNs < plan.triggerDelta)) {
      await source.discard();
      if (isLeft) left++;
      else skipped++;
      yield { skipped: window };
      continue;
    }
    // Aborted before, it has ended the window: the names are worth their time. From the next signal on nobody is asked any more.
    const hurry = () => {
      hurried = true;
      source.hurry();
    };
    if (hurried) hurry();
    signal.addEventListener('abort', hurry);
    const sample = await source.read().finally(() => signal.removeEventListener('abort', hurry));
    yield { sample: { ...sample, index: taken, samplesSkipped: skipped, callsLeft: left } };
    taken++;
    skipped = 0;
    left = 0;
    if (reason === 'exit') return 'exit';
    if (reason === 'timeout') return 'stop-timeout';
  }
  return 'complete';
}

/** One where there is a pause to keep; else as many as there may be, and no more than will be read. */
function windowsAhead(source: WindowSource, plan: CadencePlan, wanted: number): number {
  if (plan.sampleInterval > 0) return 1;
  return plan.triggerDelta > 0 ? source.windowsAhead : Math.min(source.windowsAhead, wanted);
}

function whyNone(reason: StopReason): CadenceEnd {
  return reason === 'exit' ? 'exit' : 'signal';
}

/** Looks for the targets once in a while, so that their end also ends a long pause. False if they have ended. */
async function pause(
  source: WindowSource,
  milliseconds: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<boolean> {
  const until = clock.now() + milliseconds;
  for (;;) {
    if (signal.aborted) return true;
    if (!source.targetsAlive) return false;
    const left = until - clock.now();
    if (left <= 0) return true;
    await clock.sleep(Math.min(left, 1000), signal);
  }
}
