/** Captures exactly while an oracle works, and looks things up in what came out. */
import { execFileSync } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import {
  type CapturedSample,
  CaptureSession,
  type SessionOptions,
  type Syscall,
  type Thread,
} from '../../src/index.js';
import { Oracle } from './oracle.js';

export interface TruthThread {
  name: string;
  tid: number;
  /** Whole calls between `go` and the truth, by name; a call that is not named was not made. */
  syscalls: Record<string, number>;
  schedstat?: { runNs: number; readyNs: number; slices: number };
}

export interface Truth {
  pid: number;
  threads: TruthThread[];
  wallNs: number;
  /** Time that the hypervisor took from the CPU, as far as the kernel can tell. */
  stolen?: { ns: number; resolutionNs: number };
}

export interface Captured<T extends Truth> {
  sample: CapturedSample;
  truth: T;
  session: CaptureSession;
}

/** `words`: the oracle's mode and its arguments. `T`: what the mode tells besides. */
export async function captured<T extends Truth = Truth>(
  words: readonly string[],
  { isRealTime = false, ...options }: { isRealTime?: boolean } & SessionOptions = {},
): Promise<Captured<T>> {
  const oracle = await Oracle.start(...words);
  // All of its threads, by turns among themselves and before everybody else's.
  if (isRealTime) execFileSync('chrt', ['--all-tasks', '--rr', '--pid', '1', String(oracle.pid)]);
  const session = await CaptureSession.open({ pid: oracle.pid, ...options });
  try {
    session.start();
    const truth = (await oracle.go()) as T;
    session.stop();
    await session.wait();
    return { sample: await session.read(), truth, session };
  } finally {
    await session.close();
    oracle.end();
  }
}

/** The sample's only entry of this thread. */
export function threadOf(sample: CapturedSample, tid: number): Thread {
  const [thread, ...others] = sample.threads.filter((candidate) => candidate.tid === tid);
  if (thread === undefined || others.length > 0) {
    throw new Error(`${thread === undefined ? 'no entry' : 'several entries'} of ${tid}`);
  }
  return thread;
}

/** The truth's thread of this name. */
export function truthOf(truth: Truth, name: string): TruthThread {
  const thread = truth.threads.find((candidate) => candidate.name === name);
  if (thread === undefined) throw new Error(`the truth has no thread ${name}`);
  return thread;
}

export function callOf({ syscalls }: Thread, name: string): Syscall | undefined {
  return syscalls.find((call) => call.name === name);
}

/** Whole calls by name; a call that only an edge cut is not among them. */
export function counts({ syscalls }: Thread): Record<string, number> {
  return Object.fromEntries(
    syscalls.filter(({ count }) => count > 0).map(({ name, count }) => [name, count]),
  );
}

/** What the budget's parts have too much or too little. */
export function budgetError({ budget }: Thread): number {
  const { wallNs, ...parts } = budget;
  return Object.values(parts).reduce<number>((sum, part) => sum + (part ?? 0), 0) - wallNs;
}

export function assertAddsUp(t: ExecutionContext, { threads, losses }: CapturedSample): void {
  for (const thread of threads) t.is(budgetError(thread), 0, `${thread.tid} ${thread.comm}`);
  const { switchesMissed, ...others } = losses;
  t.deepEqual(
    Object.entries(others).filter(([, count]) => count !== 0),
    [],
    'nothing is lost',
  );
  // This is the kernel's doing (see docs/limitations.md), and shows as unknown time.
  if (switchesMissed > 0) t.log(`${switchesMissed} switches were not reported by the kernel`);
}
