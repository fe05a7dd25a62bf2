/** Ctrl-C: the first ends what is under way and the run in order, the second quits at once. SIGTERM likewise. */
import type { ExitStatus } from '../../errors.js';

export interface SignalSource {
  on(name: NodeJS.Signals, listener: () => void): unknown;
  off(name: NodeJS.Signals, listener: () => void): unknown;
  /** Ends the process without further ado. */
  exit(code: number): void;
}

export interface SignalListener {
  readonly signal: AbortSignal;
  /** From here on the second one quits also while threads are busy, and while this one is. */
  quitAtSecond(exitAtSecondSignal: (hasCome: boolean) => void): void;
  /** What a run exits with that came to nothing because of it; 0 before there was a signal. */
  readonly exitCode: ExitStatus;
  /** Gives the signals their ordinary meaning back. */
  dispose(): void;
}

/** 128 and the signal's number, as shells have it. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const satisfies Partial<
  Record<NodeJS.Signals, ExitStatus>
>;

export function listenForSignals(source: SignalSource = process): SignalListener {
  const controller = new AbortController();
  let exitCode: ExitStatus = 0;
  const listeners = (Object.keys(exitCodes) as Array<keyof typeof exitCodes>).map((name) => {
    const listener = () => {
      if (controller.signal.aborted) return source.exit(exitCodes[name]);
      exitCode = exitCodes[name];
      controller.abort();
    };
    source.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    quitAtSecond(exitAtSecondSignal) {
      // process.exit() waits for what runs in Node.js's thread pool, and a listener for this thread.
      exitAtSecondSignal(controller.signal.aborted);
    },
    dispose() {
      for (const { name, listener } of listeners) source.off(name, listener);
    },
  };
}
