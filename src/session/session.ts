import { KdelayError } from '../errors.js';
import { awaitNative, type Binding, callNative, native } from '../native/index.js';
import { toSample, toTarget, toWindowStart } from '../report/report.js';
import type { Sample, Target, WindowStart, WindowStop } from '../report/types.js';
import { secondsToNs } from '../units.js';

export interface SessionOptions {
  /** The process to capture, in the initial pid namespace. Either this or `pids`. */
  pid?: number;
  /** The processes to capture, at least one. */
  pids?: readonly number[];
  /** Children forked while the session is open join the targets. Default: false. */
  follow?: boolean;
  /** Threads that can have numbers at the same time, 1 to 2^20. Default: from the number of threads. */
  threadCapacity?: number;
  /** Verifier log level, a bit mask of 0 to 7, printed on stderr. Default: 0, off. */
  debugLevel?: number;
}

/** Why a window closed: its length was over, stop() or close() was called, or every target has ended. */
export type StopReason = Exclude<WindowStop['by'], 'trigger'>;

/**
 * Probes attached to one or several live processes. Open it, then take samples one after the other:
 *
 *     await using session = await CaptureSession.open({ pid });
 *     const sample = await session.sample(0.5);
 *
 * `start`, `wait` and `read` are the steps of `sample`, for windows that are closed by `stop` or by the target's end.
 * Every method throws KdelayError; after close() they throw WRONG_STATE. A session that is merely dropped detaches when
 * it is collected.
 */
export class CaptureSession implements AsyncDisposable {
  readonly #native: Binding.BindingSession;
  #targets: readonly Target[];
  #samplesRead = 0;

  private constructor(session: Binding.BindingSession, targets: readonly Target[]) {
    this.#native = session;
    this.#targets = targets;
  }

  /**
   * Loads and attaches the probes; nothing is counted until start(). Needs root. Throws INVALID_ARGUMENT, NO_SUCH_PROCESS,
   * PROCESS_ENDED, KERNEL_THREAD, NOT_PERMITTED, KERNEL_UNSUPPORTED, NATIVE_MODULE_MISSING.
   */
  static async open(options: SessionOptions): Promise<CaptureSession> {
    const pids = checkPids(options);
    const debugLevel = checkInteger('debugLevel', options.debugLevel ?? 0, 0, 7);
    const capacity = options.threadCapacity;
    if (capacity !== undefined) checkInteger('threadCapacity', capacity, 1, 2 ** 20);
    const { BindingSession, inspectProcess } = native();
    const targets = callNative(() => pids.map((pid) => toTarget(inspectProcess(pid))));
    const session = await awaitNative(() =>
      BindingSession.open({
        pids,
        follow: options.follow ?? false,
        debugLevel,
        ...(capacity === undefined ? {} : { threadCapacity: capacity }),
      }),
    );
    return new CaptureSession(session, targets);
  }

  /** The captured processes: those named first, then, as of the last read(), their children. */
  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** False once every target has ended. */
  get targetsAlive(): boolean {
    return this.#use((session) => session.targetsAlive());
  }

  get closed(): boolean {
    return this.#native.closed;
  }

  /**
   * Opens a window at once. The kernel side closes it after `seconds` (over 0, to the nanosecond); without, it stays open
   * until stop() or until every target has ended.
   */
  start(seconds?: number | null): WindowStart {
    const lengthNs = seconds == null ? null : checkLength(seconds);
    return toWindowStart(this.#use((session) => session.start(lengthNs)));
  }

  /** Resolves when the window is closed, with the reason. */
  async wait(): Promise<StopReason> {
    return this.#useAsync((session) => session.wait());
  }

  /** Closes the open window now. Without one it does nothing. */
  stop(): void {
    this.#use((session) => session.stop());
  }

  /** The closed window's sample; its index counts the samples of this session from 0. */
  async read(): Promise<Sample> {
    const raw = await this.#useAsync((session) => session.read());
    this.#targets = raw.targets.map(toTarget);
    return toSample(raw, this.#samplesRead++);
  }

  /** One window of this many seconds and its sample. */
  async sample(seconds: number): Promise<Sample> {
    this.start(seconds);
    await this.wait();
    return this.read();
  }

  /** Detaches the probes. A pending wait() resolves with "interrupt". May be called again. */
  async close(): Promise<void> {
    callNative(() => this.#native.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #use<T>(call: (session: Binding.BindingSession) => T): T {
    this.#refuseIfClosed();
    return callNative(() => call(this.#native));
  }

  async #useAsync<T>(call: (session: Binding.BindingSession) => Promise<T>): Promise<T> {
    this.#refuseIfClosed();
    return awaitNative(() => call(this.#native));
  }

  #refuseIfClosed(): void {
    if (this.closed) throw new KdelayError('WRONG_STATE', 'session: it is closed', 'open a new one');
  }
}

function checkPids({ pid, pids }: SessionOptions): number[] {
  const hint = 'give either pid or a non-empty pids, of positive integers';
  if ((pid === undefined) === (pids === undefined)) {
    throw new KdelayError('INVALID_ARGUMENT', 'session: exactly one of pid and pids is needed', hint);
  }
  const all = [...new Set(pids ?? (pid === undefined ? [] : [pid]))];
  const bad = all.find((value) => !Number.isInteger(value) || value < 1 || value > 0x7fff_ffff);
  if (all.length === 0) throw new KdelayError('INVALID_ARGUMENT', 'session: pids is empty', hint);
  if (bad !== undefined) throw new KdelayError('INVALID_ARGUMENT', `session: ${bad} is not a pid`, hint);
  return all;
}

function checkInteger(option: string, value: number, minimum: number, maximum: number): number {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `session: ${option} is ${value}`,
    `give an integer from ${minimum} to ${maximum}`,
  );
}

function checkLength(seconds: number): bigint {
  // Before it is converted: what is no number of ns throws a RangeError there.
  if (seconds * 1e9 >= 0.5 && seconds * 1e9 < 2 ** 64) return secondsToNs(seconds);
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `session: ${seconds} is not a window's length`,
    'give seconds over 0 and below 2^64 ns, or none for a window without an end of its own',
  );
}
