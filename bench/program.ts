/** Programs that the figures need: none outlives this one, however it ends. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** With a CPU, it stays there. */
export function launch(
  command: string,
  args: readonly string[],
  { cpu, ...options }: SpawnOptions & { cpu?: number },
): ChildProcess {
  if (cpu !== undefined) return launch('taskset', ['-c', String(cpu), command, ...args], options);
  const child = spawn(command, args, options);
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

export interface Ready {
  readonly pid: number;
  /** Everything up to then, of both outputs. */
  readonly printed: string;
  readonly readyMs: number;
  /** Ends it; resolves with everything that it printed. */
  end(): Promise<string>;
}

export interface Manner {
  /** A line by which it says that it is ready, or what resolves when it is, with the ms that it took to be sure. */
  ready: RegExp | ((pid: number) => Promise<number>);
  /** What ends it; by default the end of its stdin does. */
  signal?: NodeJS.Signals;
  environment?: Readonly<Record<string, string>>;
}

const longestStartMs = 30_000;
const longestEndMs = 5000;
/** A signal may be missed: bpftrace does when it comes while it prints. */
const endTries = 3;

/** A program, once it is ready. Throws with the last line that it printed if it ends before. */
export async function startProgram(
  command: string,
  args: readonly string[],
  { ready, signal, environment }: Manner,
): Promise<Ready> {
  const begun = performance.now();
  const child = launch(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const closed = once(child, 'close');
  let printed = '';
  const failure = (what: string) => {
    const said = printed.trim();
    return new Error(`${command} ${what}${said === '' ? '' : `: ${why(said)}`}`);
  };
  const isReady = new Promise<number>((resolve, reject) => {
    for (const output of [child.stdout, child.stderr]) {
      output?.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        if (ready instanceof RegExp && ready.test(wholeLines(printed))) resolve(0);
      });
    }
    closed.then(([code]) => reject(failure(`ended with ${code} before it was attached`)), reject);
    setTimeout(longestStartMs, undefined, { ref: false }).then(() =>
      reject(failure('was not attached in time')),
    );
    if (!(ready instanceof RegExp)) child.once('spawn', () => ready(child.pid ?? 0).then(resolve, reject));
  });
  let surelyMs: number;
  try {
    surelyMs = await isReady;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    printed: wholeLines(printed),
    readyMs: performance.now() - begun - surelyMs,
    async end() {
      if (signal === undefined) child.stdin?.end();
      for (let tries = 0; tries < endTries; tries++) {
        if (signal !== undefined) child.kill(signal);
        if (await settles(closed, longestEndMs)) return printed;
      }
      child.kill('SIGKILL');
      throw failure('did not end');
    },
  };
}

async function settles(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const late = new AbortController();
  const settled = promise.then(() => true);
  const timer = setTimeout(milliseconds, false, { signal: late.signal }).catch(() => false);
  return Promise.race([settled, timer]).finally(() => late.abort());
}

function wholeLines(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

/** What a program complained of: the line that says what it lacks, or else the last one. */
function why(printed: string): string {
  const lines = printed.split('\n');
  return (lines.find((line) => /unable to|cannot/i.test(line)) ?? lines.at(-1) ?? '').trim();
}
