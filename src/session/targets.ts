/** Whom to capture, from the pids and names given and the processes there are. */
import { KdelayError } from '../errors.js';
import type { Binding } from '../native/index.js';

export const defaultName = 'ovs-vswitchd';

export interface TargetRequest {
  pid: readonly number[];
  name: readonly string[];
  all: boolean;
}

export interface ProcessTable {
  /** Rejects with NO_SUCH_PROCESS, PROCESS_ENDED, KERNEL_THREAD, or INVALID_ARGUMENT for a thread that is no process. */
  inspect(pid: number): Promise<Binding.BindingTarget>;
  find(name: string): Promise<Binding.BindingTarget[]>;
  /** The busiest processes, busiest first. */
  busy(): Promise<Binding.BindingBusyProcess[]>;
}

/** At least one process, each once. Throws NO_SUCH_PROCESS and AMBIGUOUS_TARGET, and what inspect() throws. */
export async function resolveTargets(
  request: TargetRequest,
  processes: ProcessTable,
): Promise<Binding.BindingTarget[]> {
  if (request.pid.length > 0) return inspectAll(request.pid, processes);
  const named = request.name.length > 0;
  const found = new Map<number, Binding.BindingTarget>();
  for (const name of named ? request.name : [defaultName]) {
    const matches = await processes.find(name);
    if (matches.length === 0) throw await noMatch(name, named, processes);
    if (matches.length > 1 && !request.all) throw ambiguous(name, matches);
    for (const match of matches) found.set(match.pid, match);
  }
  return [...found.values()];
}

/** One after the other, so that of several errors it is the first one's. */
async function inspectAll(
  pids: readonly number[],
  processes: ProcessTable,
): Promise<Binding.BindingTarget[]> {
  const targets: Binding.BindingTarget[] = [];
  for (const pid of pids) targets.push(await processes.inspect(pid));
  return targets;
}

async function noMatch(name: string, named: boolean, processes: ProcessTable): Promise<KdelayError> {
  // A hint must not replace the error it belongs to.
  const busy = await processes.busy().catch(() => []);
  const candidates = busy.map(
    ({ pid, comm, cpuPercent }) => `${pid} ${comm} (${Math.round(cpuPercent)} % CPU)`,
  );
  const busiest = candidates.length === 0 ? '' : `; busy now: ${candidates.join(', ')}`;
  const message = named ? `--name: no process is named “${name}”` : `target: no ${defaultName} is running`;
  return new KdelayError('NO_SUCH_PROCESS', message, `choose a process with -p PID or -n NAME${busiest}`);
}

const listed = 10;

function ambiguous(name: string, matches: readonly Binding.BindingTarget[]): KdelayError {
  const lines = matches.slice(0, listed).map(describe);
  if (matches.length > listed) lines.push(`… and ${matches.length - listed} more`);
  return new KdelayError(
    'AMBIGUOUS_TARGET',
    `target: ${matches.length} processes are named “${name}”`,
    ['choose with -p PID, or take them all with --all:', ...lines].join('\n'),
  );
}

function describe({ pid, comm, cmdline }: Binding.BindingTarget): string {
  const command = (cmdline ?? []).join(' ');
  const shown = command.length > 60 ? `${command.slice(0, 60)}…` : command;
  return shown === '' ? `${pid} ${comm}` : `${pid} ${comm}: ${shown}`;
}
