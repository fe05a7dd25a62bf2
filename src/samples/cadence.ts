/** How often: windows one after the other, until there are enough, the user interrupts, or every target has ended. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Sample, WindowStart } from '../report/types.js';
import type { StopReason } from '../session/session.js';

export interface CadencePlan {
  sampleCount: number;
  /** Pause between windows in seconds. */
  sampleInterval: number;
  /** Length of a window in seconds; null: until every target has ended. */
  sampleTime: number | null;
}

/** What the cadence needs of a CaptureSession. */
export interface WindowSource {
  readonly targetsAlive: boolean;
  start(seconds: number | null): WindowStart;
  wait(): Promise<StopReason>;
  stop(): void;
  read(): Promise<Sample>;
}

export interface CadenceHooks {
  /** Aborted when the user wants to end the run. */
  interrupt: AbortSignal;
  /** Called when a window has opened, with the number of the sample. */
  onOpen?: (index: number) => void;
  /** Called when it has closed. */
  onClosed?: () => void;
  clock?: Clock;
}

/** Time in milliseconds. sleep() resolves early when the signal is aborted. */
export interface Clock {
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export type CadenceEnd = 'complete' | 'interrupt' | 'exit';

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
};

export async function* takeSamples(
  source: WindowSource,
  plan: CadencePlan,
  { interrupt, onOpen, onClosed, clock = systemClock }: CadenceHooks,
): AsyncGenerator<Sample, CadenceEnd> {
  for (let index = 0; index < plan.sampleCount; index++) {
    if (index > 0) {
      const alive = await pause(source, plan.sampleInterval * 1000, interrupt, clock);
      if (!alive) return 'exit';
    }
    if (interrupt.aborted) return 'interrupt';
    const stop = () => source.stop();
    source.start(plan.sampleTime);
    interrupt.addEventListener('abort', stop);
    let reason: StopReason;
    try {
      onOpen?.(index);
      reason = await source.wait();
    } finally {
      interrupt.removeEventListener('abort', stop);
      onClosed?.();
    }
    yield await source.read();
    if (reason === 'exit') return 'exit';
  }
  return 'complete';
}

/** Looks for the targets once in a while, so that their end also ends a long pause. False if they have ended. */
async function pause(
  source: WindowSource,
  milliseconds: number,
  interrupt: AbortSignal,
  clock: Clock,
): Promise<boolean> {
  const until = clock.now() + milliseconds;
  for (;;) {
    if (interrupt.aborted) return true;
    if (!source.targetsAlive) return false;
    const left = until - clock.now();
    if (left <= 0) return true;
    await clock.sleep(Math.min(left, 1000), interrupt);
  }
}
