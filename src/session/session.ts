import os from 'node:os';
import { limits } from '../constants.js';
import { DebugFiles, type DebuginfodOptions } from '../debuginfod/debug-files.js';
import { debugServers } from '../debuginfod/settings.js';
import { KdelayError } from '../errors.js';
import { awaitNative, type Binding, callNative, native } from '../native/index.js';
import type { CapturedSample } from '../report/events.js';
import { sampleSteps, toTarget, toWindow, toWindowStart } from '../report/sample.js';
import type { Target, WindowStart, WindowStop } from '../report/types.js';
import type { Window } from '../report/window.js';
import { secondsToNs } from '../units.js';
import { verdictSteps } from '../verdict/verdict.js';
import { checkInteger } from './check.js';
import { type SyscallEventOptions, toEvents, toUserStacks, type UserStackOptions } from './event-options.js';
import { inTurns } from './turns.js';

export interface SessionOptions extends UserStackOptions {
  /** The process to capture, by its pid in this process's pid namespace. Either this or `pids`. */
  pid?: number;
  /** The processes to capture, at least one. */
  pids?: readonly number[];
  /** Children forked while the session is open join the targets. Default: false. */
  follow?: boolean;
  /** Threads that can have numbers at the same time, 1 to 2^20. Default: from the number of threads. */
  threadCapacity?: number;
  /** Verifier log level, a bit mask of 0 to 7, printed on stderr. Default: 0, off. */
  debugLevel?: number;
  /**
   * What opens windows, such as `up:main` (see docs/triggers.md). start() then arms a window, and up to `windowsAhead` may
   * be armed, open or unread at the same time.
   */
  startTrigger?: string;
  /** What closes windows that have no length. */
  stopTrigger?: string;
  /** Processes of `pids` that end before they are captured are left out of `targets`, unless all of them do. Default: false, refused. */
  leaveOutEnded?: boolean;
  /** Whether triggers on kernel code fire in any task or in the captured processes only. Default: any. */
  triggerScope?: 'any' | 'target';
  /**
   * A trigger at a function's return whose places cannot all be found replaces the return address on the stack (a uretprobe). Go
   * programs abort of it, exceptions that cross the function end the program, and user stacks end there. Default: false, refused.
   */
  allowUretprobe?: boolean;
  /** Which system calls are recorded one by one, in `syscallEvents` of each sample. Default: none. */
  syscallEvents?: SyscallEventOptions;
  /** Time blocked is summed up by stack, in `offCpu` of each sample. Default: false. */
  offCpu?: boolean;
  /** Open vSwitch's upcalls are not counted, and `upcalls` of each sample is null. Default: false. */
  skipUpcallStats?: boolean;
  /** Waits are attributed: those for a CPU to who ran instead, all of them to what they were for, and wakeups to who woke. Default: true. */
  who?: boolean;
  /** Bytes of each CPU's ring of switches and wakeups, from which that is known: a power of two, 4096 or more. Default: 4 MiB. */
  recorderBytes?: number;
  /**
   * So many ms before each window are recorded, too, at most 10,000: its critical path begins there, and what was going on as it began
   * is known. For windows that a trigger opens. Default: 0.
   */
  before?: number;
  /**
   * The thread whose critical path each sample has. Default: that of the thread in which the stop trigger fires; with `before`, else
   * of that in which the start trigger does.
   */
  criticalPath?: number;
  /**
   * The file into which what all threads and CPUs did in the windows is written, in Perfetto's format, while they are open; or a
   * descriptor, which stays the caller's. It is whole once close() has resolved. Default: none.
   */
  timeline?: string | number;
  /**
   * When a sample is read, debug files that its stacks lack are fetched by build id from debuginfod servers, and kept where their
   * clients keep them. What goes wrong is in `stackProblems` of the sample. Default: nothing is fetched.
   */
  debuginfod?: DebuginfodOptions;
  /** Each sample has a `verdict`: what its numbers say, in words. Default: true. */
  verdict?: boolean;
  /** The program that the one process, held until then, is about to execute: the triggers are looked up in it. */
  program?: string;
  /** The words that it is executed with. */
  commandLine?: readonly string[];
}

/**
 * Why a window closed, or why one that was armed will never open: its length was over, a trigger fired, stop() or close()
 * was called, every target has ended, or a trigger did not fire in the time that wait() allows. `left`: the triggers are a function's
 * entry and its return, and the call was left without one, as by an exception; discard() such a window, and start() another.
 */
export type StopReason = WindowStop['by'];

/**
 * Probes attached to one or several live processes. Open it, then take samples one after the other:
 *
 *     const session = await CaptureSession.open({ pid });
 *     try {
 *       const sample = await session.sample(0.5);
 *     } finally {
 *       await session.close();
 *     }
 *
 * `start`, `wait` and `read` are the steps of `sample`, for windows that are closed by `stop` or by the target's end.
 * Every method throws KdelayError; after close() they throw WRONG_STATE. A session that is merely dropped detaches when
 * it is collected.
 */
export class CaptureSession implements AsyncDisposable {
  readonly #native: Binding.BindingSession;
  /** What it was opened with; buildReport takes it from here. */
  readonly options: Readonly<SessionOptions>;
  #targets: readonly Target[];
  readonly #debugFiles: DebugFiles | null;
  /** How many the machine has, for verdicts; null: there are none. */
  readonly #cpus: number | null;
  #samplesRead = 0;

  private constructor(
    session: Binding.BindingSession,
    options: SessionOptions,
    targets: readonly Target[],
    debugFiles: DebugFiles | null,
    cpus: number | null,
  ) {
    this.#native = session;
    this.options = Object.freeze({ ...options });
    this.#targets = targets;
    this.#debugFiles = debugFiles;
    this.#cpus = cpus;
  }

  /**
   * Loads and attaches the probes; nothing is counted until start(). Needs root. Throws INVALID_ARGUMENT, NO_SUCH_PROCESS,
   * PROCESS_ENDED, KERNEL_THREAD, NOT_PERMITTED, KERNEL_UNSUPPORTED, NATIVE_MODULE_MISSING.
   */
  static async open(options: SessionOptions): Promise<CaptureSession> {
    const pids = checkPids(options);
    const debugLevel = checkInteger('debugLevel', options.debugLevel ?? 0, 0, 7);
    const capacity = options.threadCapacity;
    if (capacity !== undefined) checkInteger('threadCapacity', capacity, 1, limits.threads);
    const { recorderBytes, criticalPath, before, timeline } = options;
    if (before !== undefined) checkInteger('before', before, 0, limits.beforeMs);
    if (criticalPath !== undefined) checkInteger('criticalPath', criticalPath, 1, 2 ** 31 - 1);
    if (recorderBytes !== undefined)
      checkInteger('recorderBytes', recorderBytes, limits.pageBytes, limits.recorderBytes);
    if (timeline !== undefined) checkTimeline(timeline, options.who ?? true);
    const userStacks = toUserStacks(options);
    const events = options.syscallEvents === undefined ? {} : { events: toEvents(options.syscallEvents) };
    const servers = options.debuginfod === undefined ? null : (options.debuginfod.servers ?? debugServers());
    const { BindingSession, isDebugFileOf } = native();
    const session = await awaitNative(() =>
      BindingSession.open({
        pids,
        follow: options.follow ?? false,
        debugLevel,
        ...(options.leaveOutEnded === true ? { leaveOutEnded: true } : {}),
        ...(options.triggerScope === 'target' ? { triggersInTargetOnly: true } : {}),
        ...(options.allowUretprobe === true ? { allowUretprobe: true } : {}),
        ...pickTexts(options, ['startTrigger', 'stopTrigger', 'program']),
        ...(options.commandLine === undefined ? {} : { commandLine: [...options.commandLine] }),
        ...(capacity === undefined ? {} : { threadCapacity: capacity }),
        offCpu: options.offCpu ?? false,
        skipUpcallStats: options.skipUpcallStats ?? false,
        withoutWho: !(options.who ?? true),
        ...(recorderBytes === undefined ? {} : { recorderBytes }),
        ...(before === undefined ? {} : { beforeMs: before }),
        ...(criticalPath === undefined ? {} : { criticalPathOf: criticalPath }),
        ...(timeline === undefined ? {} : { timeline }),
        ...userStacks,
        ...events,
        ...(servers === null ? {} : { debugCache: servers.cache }),
      }),
    );
    const debugFiles = servers === null ? null : new DebugFiles(servers, isDebugFileOf, options.debuginfod);
    const cpus = (options.verdict ?? true) ? os.cpus().length : null;
    const targets = callNative(() => session.targets()).map(toTarget);
    return new CaptureSession(session, options, targets, debugFiles, cpus);
  }

  /** The captured processes: those named first, then, as of the last read(), their children. */
  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** What is to be known of the triggers, one line each: such as that a function ends by a jump to another one. */
  get triggerRemarks(): readonly string[] {
    return this.#use((session) => session.remarks());
  }

  /** False once every target has ended. */
  get targetsAlive(): boolean {
    return this.#use((session) => session.targetsAlive());
  }

  get closed(): boolean {
    return this.#native.closed;
  }

  /** How many windows may be armed, open or unread at the same time: one without a start trigger. */
  get windowsAhead(): number {
    return this.#use((session) => session.windowsAhead);
  }

  /**
   * Opens a window at once; with a start trigger it arms one and returns null. The kernel side closes it after `seconds`
   * (over 0, to the nanosecond); without, it stays open until the stop trigger fires, until stop(), or until every target
   * has ended.
   */
  start(seconds?: number | null): WindowStart | null {
    const lengthNs = seconds == null ? null : toNs(seconds, 'a window’s length');
    const opened = this.#use((session) => {
      session.start(lengthNs);
      return session.openWindow();
    });
    return opened === null ? null : toWindowStart(opened);
  }

  /**
   * Resolves when the oldest window is closed, or will never open, with the reason. With `triggerTimeout`, in seconds,
   * a trigger that does not fire in that time is no longer waited for.
   */
  async wait({ triggerTimeout = null }: { triggerTimeout?: number | null } = {}): Promise<StopReason> {
    const timeoutNs = triggerTimeout === null ? null : toNs(triggerTimeout, 'a trigger’s timeout');
    return this.#useAsync((session) => session.wait(timeoutNs));
  }

  /** Closes the open window now, and takes back those that are armed. Without any it does nothing. */
  stop(): void {
    this.#use((session) => session.stop());
  }

  /** The oldest window, if it is closed and can be read; null also when its start trigger never fired. */
  get closedWindow(): Window | null {
    const window = this.#use((session) => session.closedWindow());
    return window === null ? null : toWindow(window);
  }

  /** Forgets the oldest window, which must be closed, without looking at what happened in it. */
  async discard(): Promise<void> {
    return this.#useAsync((session) => session.discard());
  }

  /** The oldest window's sample; it must be closed. Its index counts the samples of this session from 0. */
  async read(): Promise<CapturedSample> {
    await this.#debugFiles?.fetchMissing(() => this.#useAsync((session) => session.missingDebugFiles()));
    const raw = await this.#useAsync((session) => session.read());
    this.#targets = raw.targets.map(toTarget);
    const sample = await inTurns(sampleSteps(raw, this.#samplesRead++));
    const problems = this.#debugFiles?.takeProblems() ?? [];
    const verdict = this.#cpus === null ? null : await inTurns(verdictSteps(sample, this.#cpus));
    return { ...sample, stackProblems: [...sample.stackProblems, ...problems], verdict };
  }

  /**
   * A read() under way, or the next one, ends soon: stacks that are not walked or named by then are counted in `stackProblems` of its
   * sample. While it downloads debug files, that is ended, and it goes on with those that there are.
   */
  hurry(): void {
    if (this.#debugFiles?.hurry() === true) return;
    this.#use((session) => session.hurry());
  }

  /** One window of this many seconds and its sample. */
  async sample(seconds: number): Promise<CapturedSample> {
    this.start(seconds);
    await this.wait();
    return this.read();
  }

  /**
   * Closes the session at once: a pending wait() resolves with "interrupt", and downloads for a pending read() end, which then rejects.
   * Resolves when the probes are detached, which a read() that is past its downloads keeps from being until it has read, and when the
   * time line is written; rejects with IO if that was not possible. May be called again.
   */
  async close(): Promise<void> {
    this.#debugFiles?.close();
    await awaitNative(() => this.#native.close());
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

function checkTimeline(timeline: string | number, who: boolean): void {
  if (typeof timeline === 'number') checkInteger('timeline', timeline, 0, 2 ** 31 - 1);
  else if (timeline === '') {
    throw new KdelayError('INVALID_ARGUMENT', 'timeline: the name is empty', 'give a file name');
  }
  if (!who) {
    throw new KdelayError(
      'INVALID_ARGUMENT',
      'timeline: without who nothing is recorded',
      'leave out one of the two',
    );
  }
}

/** The options that were given, and no key for the others. */
function pickTexts<Key extends keyof SessionOptions>(
  options: SessionOptions,
  keys: readonly Key[],
): Partial<Record<Key, string>> {
  const picked: Partial<Record<Key, string>> = {};
  for (const key of keys) {
    const value = options[key];
    if (typeof value === 'string') picked[key] = value;
  }
  return picked;
}

function toNs(seconds: number, what: string): bigint {
  // Before it is converted: what is no number of ns throws a RangeError there.
  if (seconds * 1e9 >= 0.5 && seconds * 1e9 < 2 ** 64) return secondsToNs(seconds);
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `session: ${seconds} is not ${what}`,
    'give seconds over 0 and below 2^64 ns, or none where there is no limit',
  );
}
