/** Ctrl-C: the first ends the window and the run in order, the second quits at once. SIGTERM likewise. */
import { constants } from 'node:os';

export interface SignalSource {
  on(name: NodeJS.Signals, listener: () => void): unknown;
  off(name: NodeJS.Signals, listener: () => void): unknown;
  /** Ends the process without further ado. */
  exit(code: number): void;
}

export interface SignalListener {
  readonly signal: AbortSignal;
  /** Gives the signals their ordinary meaning back. */
  dispose(): void;
}

const names = ['SIGINT', 'SIGTERM'] as const;

export function listenForSignals(source: SignalSource = process): SignalListener {
  const controller = new AbortController();
  const listeners = names.map((name) => {
    const listener = () => {
      if (controller.signal.aborted) source.exit(128 + constants.signals[name]);
      else controller.abort();
    };
    source.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    dispose() {
      for (const { name, listener } of listeners) source.off(name, listener);
    },
  };
}
