import { toSample } from '../../src/report/report.js';
import type { Sample, WindowStart } from '../../src/report/types.js';
import type { Clock, WindowSource } from '../../src/samples/cadence.js';
import type { StopReason } from '../../src/session/session.js';
import { rawSample } from './raw.js';

/** A session whose windows last a time of the fake clock. */
export class FakeSource implements WindowSource {
  readonly log: string[] = [];
  targetsAlive = true;
  #index = 0;
  #reason: StopReason = 'time';
  #resolve: (reason: StopReason) => void = () => undefined;
  #window: Promise<StopReason> = Promise.resolve('time');
  readonly #onStart: (source: FakeSource, index: number) => void;

  constructor(onStart: (source: FakeSource, index: number) => void = (source) => source.end('time')) {
    this.#onStart = onStart;
  }

  start(seconds: number | null): WindowStart {
    this.log.push(`start ${seconds}`);
    this.#window = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#onStart(this, this.#index);
    return { wall: '', monotonicNs: '0', by: 'time' };
  }

  end(reason: StopReason): void {
    this.#reason = reason;
    if (reason === 'exit') this.targetsAlive = false;
    this.#resolve(reason);
  }

  wait(): Promise<StopReason> {
    return this.#window;
  }

  stop(): void {
    this.log.push('stop');
    this.end('interrupt');
  }

  async read(): Promise<Sample> {
    this.log.push('read');
    return toSample(rawSample({ stopBy: this.#reason }), this.#index++);
  }
}

/** Time passes only by sleeping. */
export class FakeClock implements Clock {
  nowMs = 0;
  readonly slept: number[] = [];
  onSleep: () => void = () => undefined;

  now(): number {
    return this.nowMs;
  }

  async sleep(milliseconds: number): Promise<void> {
    this.slept.push(milliseconds);
    this.nowMs += milliseconds;
    this.onSleep();
  }
}
