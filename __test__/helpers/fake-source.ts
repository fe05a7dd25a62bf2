import type { CapturedSample } from '../../src/report/events.js';
import { toSample, toWindow } from '../../src/report/sample.js';
import type { WindowStart } from '../../src/report/types.js';
import type { Window } from '../../src/report/window.js';
import type { Clock, WindowSource } from '../../src/samples/cadence.js';
import type { StopReason } from '../../src/session/session.js';
import { rawSample, rawWindow, startMonotonicNs } from './raw.js';

interface FakeWindow {
  ended: Promise<StopReason>;
  end: (reason: StopReason) => void;
  /** Null while it is open, and for one that never opened. */
  closed: ReturnType<typeof rawWindow> | null;
}

/** A session whose windows last a time of the fake clock. */
export class FakeSource implements WindowSource {
  readonly log: string[] = [];
  targetsAlive = true;
  startsByTrigger = false;
  #calledOff = false;
  windowsAhead = 1;
  #index = 0;
  #started = 0;
  readonly #windows: FakeWindow[] = [];
  readonly #onStart: (source: FakeSource, index: number) => void;

  constructor(onStart: (source: FakeSource, index: number) => void = (source) => source.end('time')) {
    this.#onStart = onStart;
  }

  start(seconds: number | null): WindowStart {
    this.log.push(`start ${seconds}`);
    let end: (reason: StopReason) => void = () => undefined;
    const ended = new Promise<StopReason>((resolve) => {
      end = resolve;
    });
    this.#windows.push({ ended, end, closed: null });
    this.#onStart(this, this.#started++);
    return { wall: '', monotonicNs: '0', by: 'time', trigger: null };
  }

  /** The oldest window that has not ended does; `windowNs` of null: it never opened. */
  end(by: StopReason, windowNs: number | null = 500_000_000): void {
    if (by === 'exit') this.targetsAlive = false;
    const window = this.#windows.find(({ closed }) => closed === null);
    if (window === undefined) return;
    if (windowNs !== null)
      window.closed = rawWindow({ by, monotonicNs: startMonotonicNs + BigInt(windowNs) });
    window.end(by);
  }

  get closedWindow(): Window | null {
    const closed = this.#windows[0]?.closed ?? null;
    return closed === null ? null : toWindow(closed);
  }

  async wait({ triggerTimeout }: { triggerTimeout: number | null }): Promise<StopReason> {
    if (triggerTimeout !== null) this.log.push(`wait ${triggerTimeout}`);
    const [oldest] = this.#windows;
    if (oldest === undefined && this.#calledOff) return 'interrupt';
    if (oldest === undefined) throw new Error('wait: no window');
    return oldest.ended;
  }

  /** Of the windows that have not ended the oldest is open, and the others, or with a start trigger all, are armed. */
  stop(): void {
    this.log.push('stop');
    this.end('interrupt', this.startsByTrigger ? null : undefined);
    const open = this.#windows.filter(({ closed }) => closed !== null);
    if (this.#windows.length > open.length) this.#calledOff = true;
    this.#windows.splice(0, this.#windows.length, ...open);
  }

  async read(): Promise<CapturedSample> {
    this.log.push('read');
    const window = this.#take();
    return toSample(rawSample({ window }), this.#index++);
  }

  hurry(): void {
    this.log.push('hurry');
  }

  async discard(): Promise<void> {
    this.log.push('discard');
    this.#take();
  }

  #take(): ReturnType<typeof rawWindow> {
    const closed = this.#windows.shift()?.closed ?? null;
    if (closed === null) throw new Error('no closed window');
    return closed;
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
