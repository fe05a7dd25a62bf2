/** A native module without a kernel: windows end as a script says, samples come from a builder. */
import type { KdelayErrorCause } from '../../src/errors.js';
import type { Binding, NativeModule } from '../../src/native/index.js';
import { type RawSample, rawSample, rawTarget, rawWindow } from './raw.js';

/** How a window ends: by itself with this reason, or only by stop(), or not even by that; `armed`: its start trigger never fires. */
export type WindowScript = 'time' | 'exit' | 'until-stop' | 'stuck' | 'armed';

export interface FakeScript {
  processes?: Binding.BindingTarget[];
  busy?: Binding.BindingBusyProcess[];
  /** One entry per window; the last one goes for the rest. */
  windows?: WindowScript[];
  sample?: (index: number) => Partial<RawSample>;
  /** Pids of processes that end before they are captured. */
  gone?: number[];
  /** On the triggers. */
  remarks?: string[];
  /** Calls that fail, with their error. */
  errors?: { open?: Error; read?: (index: number) => Error | undefined; release?: Error; spawn?: Error };
  /** A command that is released does not begin, as on a file system that does not answer. */
  neverBegins?: boolean;
  status?: { code: number | null; signal: number | null } | null;
  probes?: Binding.BindingProbes;
  /** Build ids, of the first time that it is asked. */
  missingDebugFiles?: string[];
  diagnosis?: Awaited<ReturnType<NativeModule['doctor']>>;
  /** Opening a session takes until then. */
  opening?: Promise<void>;
  /** Told what a second signal would leave. */
  keep?: (file: Binding.BindingKeptFile) => void;
  /** Told each call, in order. */
  log?: (line: string) => void;
}

export interface FakeNative extends NativeModule {
  readonly calls: string[];
}

const withoutStacks = (recorder: string) =>
  `"offCpu":false,"skipUpcallStats":false,"withoutWho":false,${recorder}"byFramePointer":false,"userStackBytes":16384`;

/** Of a session's options as they are logged, those of one that records nothing. */
export const noStacks = withoutStacks('');
/** The same of the command line, which says them all. */
export const noStacksOfCommand = withoutStacks('"recorderBytes":4194304,');

/** An error as the native module throws it; lines after the text's first are its hint. */
export function nativeError(code: string, text: string, cause: KdelayErrorCause | null = null): Error {
  const [message = '', ...hint] = text.split('\n');
  const failure = { code, message, hint: hint.length > 0 ? hint.join('\n') : null, cause };
  return Object.assign(new Error(JSON.stringify(failure)), { code: 'GenericFailure' });
}

export function fakeNative(script: FakeScript = {}): FakeNative {
  const calls: string[] = [];
  const processes = script.processes ?? [rawTarget(100, 'main')];
  const log = (line: string) => {
    calls.push(line);
    script.log?.(line);
  };

  class FakeSession implements Binding.BindingSession {
    #closed = false;
    #alive = true;
    #windows = 0;
    #reason: 'time' | 'interrupt' | 'exit' = 'time';
    #window: Promise<void> = Promise.resolve();
    #ended = false;
    #isArmed = false;
    #hasToldMissing = false;
    #end: () => void = () => undefined;

    static async open(options: Binding.BindingOpenOptions): Promise<FakeSession> {
      log(`open ${JSON.stringify(options)}`);
      if (script.errors?.open !== undefined) throw script.errors.open;
      await script.opening;
      const there = [4242, ...processes.map(({ pid }) => pid)];
      const unknown = options.pids.find((pid) => !there.includes(pid));
      if (unknown !== undefined) throw nativeError('NO_SUCH_PROCESS', `pid ${unknown}: no such process`);
      return new FakeSession(options.pids);
    }

    readonly #pids: number[];

    constructor(pids: number[]) {
      this.#pids = pids.filter((pid) => !script.gone?.includes(pid));
    }

    remarks(): string[] {
      return script.remarks ?? [];
    }

    targets(): Binding.BindingTarget[] {
      const all = [...processes, rawTarget(4242, 'command')];
      return all.filter(({ pid }) => this.#pids.includes(pid));
    }

    get windowsAhead(): number {
      return 1;
    }

    openWindow(): Binding.BindingWindowStart {
      return rawWindow().start;
    }

    closedWindow(): Binding.BindingWindow | null {
      return this.#ended && !this.#isArmed ? rawWindow({ by: this.#reason }) : null;
    }

    async discard(): Promise<void> {
      log('discard');
    }

    start(lengthNs?: bigint | null): void {
      log(`start ${lengthNs ?? 'open-ended'}`);
      const windows = script.windows ?? ['time'];
      const how = windows[Math.min(this.#windows++, windows.length - 1)] ?? 'time';
      this.#ended = false;
      this.#window = new Promise((resolve) => {
        // As a real window would, an open one keeps the process alive.
        const alive = setInterval(() => undefined, 1000);
        this.#end = () => {
          clearInterval(alive);
          resolve();
        };
      });
      if (how === 'time' || how === 'exit') this.#finish(how);
      this.#isArmed = how === 'armed';
      if (how === 'stuck') this.stop = () => log('stop');
      if (how === 'exit') this.#alive = false;
    }

    async wait(): Promise<'time' | 'interrupt' | 'exit'> {
      await this.#window;
      return this.#reason;
    }

    stop(): void {
      log('stop');
      this.#finish('interrupt');
    }

    async missingDebugFiles(): Promise<string[]> {
      const missing = this.#hasToldMissing ? [] : (script.missingDebugFiles ?? []);
      this.#hasToldMissing = true;
      log(`missing ${missing.join(' ')}`);
      return missing;
    }

    async read(): Promise<Binding.BindingSample> {
      const index = this.#windows - 1;
      log(`read ${index}`);
      const error = script.errors?.read?.(index);
      if (error !== undefined) throw error;
      const window = rawWindow({ by: this.#reason });
      return rawSample({ window, targets: processes, ...script.sample?.(index) });
    }

    hurry(): void {
      log('hurry');
    }

    async close(): Promise<void> {
      log('close');
      this.#closed = true;
      this.#end();
    }

    get closed(): boolean {
      return this.#closed;
    }

    targetsAlive(): boolean {
      return this.#alive;
    }

    #finish(reason: 'time' | 'interrupt' | 'exit'): void {
      this.#reason = reason;
      this.#ended = true;
      this.#end();
    }
  }

  class FakeCommand implements Binding.BindingCommand {
    readonly pid = 4242;
    readonly path = '/usr/bin/fake';
    #close: () => void = () => undefined;
    readonly #closed = new Promise<void>((resolve) => {
      this.#close = resolve;
    });

    static spawn(argv: string[], stdoutToStderr: boolean): FakeCommand {
      log(`spawn ${argv.join(' ')}${stdoutToStderr ? ' (stdout to stderr)' : ''}`);
      if (script.errors?.spawn !== undefined) throw script.errors.spawn;
      return new FakeCommand();
    }

    async release(): Promise<boolean> {
      log('release');
      if (script.errors?.release !== undefined) throw script.errors.release;
      if (script.neverBegins !== true) return true;
      const alive = setInterval(() => undefined, 1000);
      await this.#closed;
      clearInterval(alive);
      return false;
    }

    close(): void {
      log('close command');
      this.#close();
    }

    status(): { code: number | null; signal: number | null } | null {
      return script.status === undefined ? { code: 0, signal: null } : script.status;
    }
  }

  return {
    calls,
    BindingSession: FakeSession as unknown as NativeModule['BindingSession'],
    BindingCommand: FakeCommand as unknown as NativeModule['BindingCommand'],
    async inspectProcess(pid) {
      log(`inspect ${pid}`);
      const found = [...processes, rawTarget(4242, 'command')].find((target) => target.pid === pid);
      if (found === undefined) throw nativeError('NO_SUCH_PROCESS', `pid ${pid}: no such process`);
      return found;
    },
    findProcesses: async (name) => processes.filter(({ comm }) => comm === name),
    isDebugFileOf: async () => true,
    exitAtSecondSignal: () => undefined,
    keepAtSecondSignal(file) {
      if (file == null) log('keep nothing');
      else script.keep?.(file);
    },
    listProbes: async () => script.probes ?? { probes: [], problems: [] },
    busyProcesses: async () => script.busy ?? [],
    doctor: async () => script.diagnosis ?? { capable: true, kernel: '6.18.0', arch: 'x86_64', checks: [] },
  };
}
