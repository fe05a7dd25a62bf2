/** Programs whose files are made to cost much: a capture of them ends, says what it left out, and hears signals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { Report } from '../../src/report/types.js';
import { cli, samples } from './cli.js';
import { callsThroughBombs, slowToUnwind } from './hostile-files.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

const megabytes = 1e6;

/** The pid of a program that goes through so many, and their paths. */
async function throughBombs(count: number): Promise<{ pid: number; libraries: string[] }> {
  const [program, libraries] = callsThroughBombs(programs, count, 230 * megabytes);
  const pid = await programs.start(program, ...libraries);
  const last = libraries.at(-1) ?? '';
  while (!readFileSync(`/proc/${pid}/maps`, 'utf8').includes(last)) await delay(5);
  return { pid, libraries };
}

test.serial('an unwind table that takes too much is not run', async (t) => {
  const pid = await programs.start(slowToUnwind(programs, 120_000));
  const [sample] = await samples('-p', `${pid}`, '-s', '0', '--syscall', 'getpid', '--sample-time', '0.5');
  const events = sample?.syscallEvents ?? [];
  t.true(events.length > 0);
  for (const { userStack, userStackEnd } of events) {
    t.is(userStackEnd, 'too costly');
    t.is(userStack[0]?.symbol, 'slow_after');
  }
  const said = new RegExp(`^process ${pid}: \\d+ stacks were cut: to find the callers takes too much$`);
  t.true(sample?.stackProblems.some((line) => said.test(line)));
});

test.serial('one that takes much is run once, and all callers are found', async (t) => {
  const pid = await programs.start(slowToUnwind(programs, 20_000));
  const [sample] = await samples('-p', `${pid}`, '-s', '0', '--syscall', 'getpid', '--sample-time', '0.5');
  const events = sample?.syscallEvents ?? [];
  t.true(events.length > 0);
  for (const { userStack, userStackEnd } of events) {
    t.is(userStackEnd, 'too deep');
    t.is(userStack.length, 512);
  }
  t.deepEqual(sample?.stackProblems, []);
});

test.serial(
  'libraries that unpack to much share what there is, and all have the names of their functions',
  async (t) => {
    const { pid, libraries } = await throughBombs(4);
    const wanted = ['-s', '0', '--syscall', 'clock_nanosleep', '--sample-time', '0.5'];
    const [sample] = await samples('-p', `${pid}`, ...wanted);
    const through = sample?.syscallEvents[0]?.userStack.filter(({ symbol }) => symbol === 'hop') ?? [];
    t.deepEqual(
      through.map(({ module }) => module),
      [...libraries].reverse(),
    );
    const leftOut = sample?.stackProblems.filter((line) =>
      line.endsWith('debug information is left out: that takes more memory than is left for this sample'),
    );
    // One of them was unpacked.
    t.is(leftOut?.length, 3);
  },
);

/** Of a file in /proc; `''`: that thread has ended. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** In hundredths of a second: what the thread that finds names has computed. */
function naming(child: ChildProcess): number {
  const tasks = `/proc/${child.pid}/task`;
  const threads = readdirSync(tasks).map((tid) => contentOf(`${tasks}/${tid}/stat`));
  const [thread] = threads.filter((stat) => stat.includes('(kdelay-symbols)'));
  const fields = thread?.replace(/^.*\) /s, '').split(' ') ?? [];
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

/** Whether a signal waits for a thread of it that takes it. */
function isPending(child: ChildProcess): boolean {
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  return !/^ShdPnd:\s0+$/m.test(status);
}

/** A capture that is busy with names. */
async function busy(): Promise<{ child: ChildProcess; ended: Promise<[string, string, unknown[]]> }> {
  const { pid } = await throughBombs(2);
  const args = ['capture', '-f', 'json', '-p', `${pid}`, '-s', '0', '--sample-time', '0.5'];
  const child = spawn(process.execPath, [cli, ...args, '--syscall', 'clock_nanosleep'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  while (naming(child) < 20) await delay(5);
  return { child, ended };
}

test.serial('Ctrl-C while names are looked for ends that, and the report is printed', async (t) => {
  const { child, ended } = await busy();
  child.kill('SIGINT');
  const [stdout, stderr, [code]] = await ended;
  t.is(code, 0, stderr);
  const [sample] = (JSON.parse(stdout) as Report).samples;
  t.true((sample?.syscallEvents.length ?? 0) > 0);
  t.true((sample?.threads.length ?? 0) > 0);
  const said =
    /^\d+ (of \d+ stacks have no|stacks have not all of their) names: the search for them was ended$/;
  t.true(
    sample?.stackProblems.some((line) => said.test(line)),
    sample?.stackProblems.join('\n'),
  );
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test.serial(`the second ${signal} ends a capture that is busy with names at once`, async (t) => {
    const { child, ended } = await busy();
    child.kill(signal);
    // Two that are pending at the same time would be one.
    while (isPending(child));
    child.kill(signal);
    const [stdout, , [status]] = await ended;
    t.is(status, code);
    t.is(stdout, '');
  });
}
