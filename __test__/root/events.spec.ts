/** Single system calls: the same sequence, arguments and results as strace sees, and nothing that was not asked for. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import type { Report, SyscallEvent } from '../../src/index.js';
import { assertRefused, cli, kdelay, runMeanwhile } from './cli.js';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'kdelay-events-'));
test.after.always(() => rmSync(folder, { recursive: true }));

async function recorded(args: readonly string[], command: readonly string[]): Promise<Report> {
  const file = join(folder, 'report.json');
  const ran = await runMeanwhile(process.execPath, [
    cli,
    'capture',
    '-f',
    'json',
    '-o',
    file,
    ...args,
    '--',
    ...command,
  ]);
  if (ran.status !== 0) throw new Error(ran.stderr);
  return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

interface Call {
  name: string;
  arguments: bigint[];
  result: string;
  errno: string | null;
}

/** Lines such as `openat(0xffffff9c, 0x7f…, 0x80000, 0) = 0x3`. */
async function seenByStrace(command: readonly string[]): Promise<Call[]> {
  const file = join(folder, 'strace');
  await run('strace', ['-e', 'raw=all', '-o', file, ...command]);
  return [...readFileSync(file, 'utf8').matchAll(/^(\w+)\((.*)\) += (-?\w+|\?)(?: (E\w+))?/gm)].map(
    ([, name = '', values = '', result = '', errno = null]) => ({
      errno,
      name: name === 'fstatat64' ? 'newfstatat' : name,
      arguments: values === '' ? [] : values.split(', ').map(BigInt),
      result: result.startsWith('0x') ? BigInt.asIntN(64, BigInt(result)).toString() : result,
    }),
  );
}

/** At the same addresses in every run. */
const command = ['setarch', '-R', 'cat', '/etc/hostname'];

test.serial('each call is the one that strace sees, with its arguments and its result', async (t) => {
  const straced = await seenByStrace(command);
  const [sample] = (await recorded(['-s'], command)).samples;
  const events = sample?.syscallEvents ?? [];
  // From where the program is cat, and its addresses are the same. It is told its own tid, and exit_group does not return.
  const seen = straced.slice(straced.findLastIndex(({ name }) => name === 'execve') + 1, -1);
  const own = events.slice(events.findLastIndex(({ name }) => name === 'execve') + 1);
  t.true(seen.length > 20);
  t.deepEqual(
    own.map(({ name }) => name),
    seen.map(({ name }) => name),
  );
  for (const [index, call] of seen.entries()) {
    const event = own[index] as SyscallEvent;
    t.deepEqual(event.arguments?.slice(0, call.arguments.length).map(BigInt), call.arguments, call.name);
    if (call.name === 'set_tid_address') continue;
    if (call.result === '-1') t.regex(event.result, /^-\d+$/);
    else t.is(event.result, call.result, call.name);
    t.is(event.errno, call.errno);
  }
  t.is(sample?.losses.eventsDropped, 0);
});

test.serial('as many calls are recorded as are counted, of each name', async (t) => {
  const [sample] = (await recorded(['-s', '--follow'], ['sh', '-c', 'ls /; ls /etc | wc -l'])).samples;
  t.true(sample !== undefined && sample.threads.length >= 4);
  for (const { tid, syscalls } of sample?.threads ?? []) {
    const events = sample?.syscallEvents.filter((event) => event.tid === tid) ?? [];
    for (const { name, count } of syscalls)
      t.is(events.filter((event) => event.name === name).length, count, name);
  }
});

test.serial('only what was asked for is recorded', async (t) => {
  const slow = ['sh', '-c', 'sleep 0.05; ls / >/dev/null'];
  const events = async (...args: string[]) =>
    (await recorded(['--follow', ...args], slow)).samples.flatMap(({ syscallEvents }) => syscallEvents);
  const over = await events('-s', '20000000');
  // On a busy machine others may take as long.
  for (const name of ['clock_nanosleep', 'wait4']) t.true(over.some((event) => event.name === name));
  t.true(over.every(({ durationNs }) => durationNs > 20_000_000));
  const named = await events('-s', '--syscall', 'execve', '--syscall', 'clock_nanosleep,getppid');
  t.true(named.some(({ name }) => name === 'execve'));
  t.true(named.every(({ name }) => ['execve', 'clock_nanosleep', 'getppid'].includes(name)));
  t.deepEqual(await events(), []);
});

test.serial('calls that only wait are left out on demand', async (t) => {
  const waiting = ['python3', '-c', 'import select, time; select.poll().poll(20); time.sleep(0.02)'];
  // Any other call may take that long where the machine is busy.
  const names = async (...args: string[]) =>
    (await recorded(['-s', '10000000', ...args], waiting)).samples
      .flatMap(({ syscallEvents }) => syscallEvents)
      .map(({ name }) => name)
      .filter((name) => ['poll', 'clock_nanosleep'].includes(name));
  t.deepEqual(await names(), ['poll', 'clock_nanosleep']);
  t.deepEqual(await names('--skip-syscall-poll-events'), ['clock_nanosleep']);
});

test.serial('what is over the limit is counted: the longest are kept', async (t) => {
  const [sample] = (await recorded(['-s', '--event-limit', '3'], ['sleep', '0.05'])).samples;
  t.is(sample?.syscallEvents.length, 3);
  t.true(sample?.syscallEvents.some(({ name }) => name === 'clock_nanosleep'));
  t.true((sample?.losses.eventsOverLimit ?? 0) > 10);
});

for (const [args, message] of [
  [['-s', '--syscall', 'futx'], /no system call 'futx'/],
  [['--syscall', 'futex'], /--syscall: no system calls are recorded/],
  [['-s', 'fast'], /--syscall-events/],
] as const)
  test(`${args.join(' ')} is refused`, (t) => {
    assertRefused(t, kdelay('capture', '-p', String(process.pid), ...args), 64, message);
  });
