/** What is compared, and how each is attached to a process: one entry a tracer, the empty programs first. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type CapturedSample, CaptureSession, type SessionOptions } from '../dist/index.js';
import type { Slice } from './load.js';

export interface Attached {
  /**
   * Takes it off again. Throws if it did not count what the load did. Resolves with the share of recorded calls, or of their
   * stacks, that was lost; null: it records none.
   */
  detach(slices: readonly Slice[]): Promise<number | null>;
}

export interface Tracer {
  readonly name: string;
  readonly what: string;
  attach(pid: number): Promise<Attached>;
}

const floorFolder = fileURLToPath(new URL('../target/bench/', import.meta.url));

export interface Started extends Attached {
  readonly pid: number;
  /** The line by which it said that it was attached. */
  readonly word: string;
}

/** A program that says a word once it is attached, and ends with its stdin or by a signal. */
export async function started(
  command: string,
  args: readonly string[],
  word: RegExp,
  signal?: NodeJS.Signals,
): Promise<Started> {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const output = child.stdout;
  if (output === null) throw new Error(`${command} has no output`);
  const said = new Promise<string>((resolve, reject) => {
    createInterface({ input: output }).on('line', (line) => {
      if (word.test(line)) resolve(line);
    });
    exited.then(
      ([code]) => reject(new Error(`${command} ended with ${code} before it was attached`)),
      reject,
    );
  });
  const line = await said;
  return {
    pid: child.pid ?? 0,
    word: line,
    async detach() {
      if (signal === undefined) child.stdin?.end();
      else child.kill(signal);
      await exited;
      return null;
    },
  };
}

export function startFloor(variant: string, pid: number): Promise<Started> {
  return started(`${floorFolder}floor`, [`${floorFolder}floor.bpf.o`, variant, String(pid)], /^attached$/);
}

export function startSyscount(pid: number): Promise<Started> {
  return started('stdbuf', ['-oL', 'syscount', '-p', String(pid), '-L'], /^Tracing/, 'SIGINT');
}

export function startBpftrace(pid: number): Promise<Started> {
  return started('bpftrace', ['-B', 'line', '-e', bpftraceScript(pid)], /^attached$/, 'SIGINT');
}

function floor(variant: string, what: string): Tracer {
  return { name: variant, what, attach: (pid) => startFloor(variant, pid) };
}

const bpftraceScript = (pid: number) => `
  tracepoint:raw_syscalls:sys_enter /pid == ${pid}/ { @start[tid] = nsecs; }
  tracepoint:raw_syscalls:sys_exit /pid == ${pid} && @start[tid]/ {
    @calls[tid, args->id] = stats(nsecs - @start[tid]); delete(@start[tid]); }
  BEGIN { printf("attached\\n"); }`;

function kdelay(name: string, what: string, options: Partial<SessionOptions> = {}): Tracer {
  return {
    name,
    what,
    async attach(pid) {
      const session = await CaptureSession.open({ pid, ...options });
      session.start();
      return {
        async detach(slices) {
          session.stop();
          const sample = await session.read();
          await session.close();
          const made = assertCounted(sample, slices);
          const { eventsDropped, eventsOverLimit, stacksLost } = sample.losses;
          if (options.syscallEvents === undefined || (options.syscallEvents.longerThanNs ?? 0) > 0)
            return null;
          const lost = options.syscallEvents.stacks ? stacksLost : eventsDropped;
          return lost / Math.max(made, sample.syscallEvents.length + eventsOverLimit + eventsDropped);
        },
      };
    },
  };
}

/** How many calls the load made. */
function assertCounted({ threads, losses }: CapturedSample, slices: readonly Slice[]): number {
  const names = new Set(slices.flatMap(({ syscalls }) => Object.keys(syscalls)));
  let all = 0;
  for (const name of names) {
    const made = slices.reduce((sum, { syscalls }) => sum + (syscalls[name] ?? 0), 0);
    const calls = threads.flatMap((thread) => thread.syscalls.filter((call) => call.name === name));
    const counted = calls.reduce((sum, { count }) => sum + count, 0);
    // What comes in between two slices is the load's own reading and writing, and its partner's calls.
    if (counted < made) throw new Error(`kdelay counted ${counted} of ${made} ${name}`);
    all += made;
  }
  if (losses.syscallsUntracked + losses.threadsUntracked > 0) throw new Error('kdelay lost events');
  return all;
}

/** Each call; all but a few are left out once they have been read. */
const each = { limit: 1000 };
const stacked = { ...each, stacks: true };

export const tracers: readonly Tracer[] = [
  floor('empty', 'empty `tp_btf` programs on sys_enter and sys_exit'),
  floor('emptyall', 'empty `tp_btf` programs on all nine tracepoints that kdelay uses on the way'),
  floor('floor', 'C: calls only, count, total, max and histogram in global arrays'),
  floor('original', 'C: calls only, by the original’s design: classic tracepoints, two hash maps'),
  kdelay('kdelay', 'everything on: calls, run, ready, interrupts, histograms'),
  kdelay('slower calls', 'the same, and `-s` with a threshold that no call reaches', {
    syscallEvents: { longerThanNs: 10_000_000_000, stacks: true },
  }),
  kdelay('each call', 'the same, and `-s`, without stacks', { syscallEvents: each }),
  kdelay('kernel stacks', 'the same, with kernel stacks', { syscallEvents: stacked, userStackBytes: 0 }),
  kdelay('frame pointers', 'the same, with kernel stacks, and user stacks by frame pointers', {
    syscallEvents: stacked,
    userStackBy: 'fp',
  }),
  ...[4, 8, 16, 32].map((kib) =>
    kdelay(`stacks, ${kib} KiB`, `the same, with kernel stacks and ${kib} KiB of each user stack`, {
      syscallEvents: stacked,
      userStackBytes: kib * 1024,
    }),
  ),
  kdelay('off-CPU', 'everything on, and `--off-cpu`', { offCpu: true }),
  {
    name: 'syscount',
    what: 'libbpf-tools: `syscount -p PID -L`',
    attach: startSyscount,
  },
  {
    name: 'bpftrace',
    what: 'count, total, average of each call by thread',
    attach: startBpftrace,
  },
];
