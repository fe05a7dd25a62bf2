/** The processes of one run: such as run already, or a command started for it. */
import { awaitNative, callNative, type NativeModule } from '../../native/index.js';
import { resolveTargets, type TargetRequest } from '../../session/targets.js';

export interface RunTargets {
  readonly pids: number[];
  /** What a command that is held is about to execute; null: the processes run already. */
  readonly program: string | null;
  /**
   * Lets a command run, once the first window is open. Resolves when it does, or when the signal has ended it before it did. Rejects
   * with NO_SUCH_COMMAND, NOT_PERMITTED.
   */
  release(signal: AbortSignal): Promise<void>;
  /** What to say about a command at the end of the run. */
  remarks(): string[];
  /** Ends a command that never ran. */
  close(): void;
}

const busyIntervalMs = 200;
const busyLimit = 5;

export async function findTargets(request: TargetRequest, native: NativeModule): Promise<RunTargets> {
  const targets = await resolveTargets(request, {
    inspect: (pid) => awaitNative(() => native.inspectProcess(pid)),
    find: (name) => awaitNative(() => native.findProcesses(name)),
    busy: () => awaitNative(() => native.busyProcesses(busyIntervalMs, busyLimit)),
  });
  const pids = targets.map(({ pid }) => pid);
  return { pids, program: null, release: async () => undefined, remarks: () => [], close() {} };
}

/** The command's output must not mix with a report on stdout: then it goes to stderr. */
export function startCommand(
  argv: readonly string[],
  stdoutToStderr: boolean,
  native: NativeModule,
): RunTargets {
  const command = callNative(() => native.BindingCommand.spawn([...argv], stdoutToStderr));
  const close = () => callNative(() => command.close());
  let runs = false;
  return {
    pids: [command.pid],
    program: command.path,
    async release(signal) {
      // While it is stopped, or its file system does not answer, it may take for ever.
      signal.addEventListener('abort', close);
      try {
        runs = await awaitNative(() => command.release());
      } finally {
        signal.removeEventListener('abort', close);
      }
    },
    remarks() {
      if (!runs) return ['the command was not run'];
      const status = callNative(() => command.status());
      if (status === null) return [`the command runs on as process ${command.pid}`];
      if (status.signal !== null) return [`the command was ended by signal ${status.signal}`];
      return status.code === 0 ? [] : [`the command exited with status ${status.code}`];
    },
    close,
  };
}
