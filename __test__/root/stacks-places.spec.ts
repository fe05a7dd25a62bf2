/** Stacks of programs whose file, libraries or debug information are elsewhere, deleted or gone: those of the same program at home. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import type { Frame, Sample, SyscallEvent } from '../../src/index.js';
import { cli } from './cli.js';
import { assertChain, assertLikeGdb, gdbFrames, names } from './gdb.js';
import { Programs } from './programs.js';
import { record } from './recorded.js';

const programs = new Programs();
test.after.always(() => programs.end());

const source = `
#include <time.h>
#define NEVER_INLINED __attribute__((noinline))
volatile int sink;
NEVER_INLINED static int inner(int x) { struct timespec t = { 0, 3000000 }; nanosleep(&t, 0); return x + sink; }
NEVER_INLINED static int middle(int x) { volatile char room[300]; room[x & 15] = 1; return inner(x) + room[x & 15]; }
NEVER_INLINED static int outer(int x) { return middle(x) * 2; }
int main() { for (int i = 0;; i++) sink += outer(i); }`;
const chain = ['inner', 'middle', 'outer', 'main'];
/** Of no other program on this machine. */
const buildId = randomBytes(20).toString('hex');
const flags = ['-O2', '-g', '-fomit-frame-pointer', `-Wl,--build-id=0x${buildId}`];
const program = programs.compile('gcc', 'c', source, ...flags);
const call = 'clock_nanosleep';

/** What does not depend on where the file is: names, and addresses in the files' own terms. */
const told = (frames: readonly Frame[]) =>
  frames.map(({ symbol, offset, moduleAddress, buildId, line }) => [
    symbol,
    offset,
    moduleAddress,
    buildId,
    line,
  ]);

let atHome: SyscallEvent['userStack'] = [];
test.serial.before('at home, the stack is gdb’s', async (t) => {
  const pid = await programs.start(program);
  const { calls } = await record(pid, call);
  assertLikeGdb(t, calls, gdbFrames(programs.folder, pid, call));
  atHome = calls[0]?.userStack ?? [];
  assertChain(t, atHome, chain);
});

const libraries = () =>
  [...execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(\/\S+) \(/g)].map(([, file]) => file);

/** A shell that becomes the program, in a mount namespace of its own that holds the only copy. */
const elsewhere = (script: string) =>
  ['unshare', '--mount', 'sh', '-c', `set -e; ${script}`, 'sh', program] as const;

test.serial('in a root folder with a C library of its own', async (t) => {
  const root = join(programs.folder, 'root');
  for (const file of [program, ...libraries()]) {
    const to = join(root, file === program ? 'program' : (file as string));
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(file as string, to);
  }
  const pid = await programs.start('chroot', root, '/program');
  const { calls } = await record(pid, call);
  for (const { userStack, userStackEnd } of calls) {
    t.is(userStackEnd, 'complete');
    // Debug files that the host has for the same C library are used.
    t.deepEqual(told(userStack), told(atHome));
    t.is(userStack.find(({ symbol }) => symbol === 'inner')?.module, '/program');
  }
});

test.serial('in a mount namespace where nobody else sees it', async (t) => {
  const at = join(programs.folder, 'private');
  mkdirSync(at);
  const script = `mount -t tmpfs none '${at}'; cp "$1" '${at}/program'; exec '${at}/program'`;
  const pid = await programs.start(...elsewhere(script));
  const { calls } = await record(pid, call);
  for (const { userStack, userStackEnd } of calls) {
    t.is(userStackEnd, 'complete');
    t.deepEqual(told(userStack), told(atHome));
    t.is(userStack.find(({ symbol }) => symbol === 'inner')?.module, `${at}/program`);
  }
});

test.serial('deleted, with another file in its place', async (t) => {
  const copy = join(programs.folder, 'deleted');
  copyFileSync(program, copy);
  const pid = await programs.start(copy);
  rmSync(copy);
  writeFileSync(copy, 'another');
  const { calls } = await record(pid, call);
  for (const { userStack, userStackEnd } of calls) {
    t.is(userStackEnd, 'complete');
    t.deepEqual(told(userStack), told(atHome));
  }
});

test.serial('stripped: the addresses are those of the functions in the whole file', async (t) => {
  const stripped = join(programs.folder, 'stripped');
  execFileSync('strip', ['-o', stripped, program]);
  const pid = await programs.start(stripped);
  const { calls } = await record(pid, call);
  for (const { userStack, userStackEnd } of calls) {
    t.is(userStackEnd, 'complete');
    const own = userStack.filter(({ module }) => module === stripped);
    t.true(own.every(({ symbol, buildId: id }) => symbol === null && id === buildId));
    const addresses = own.map(({ moduleAddress }) => moduleAddress ?? '');
    const named = execFileSync('addr2line', ['-f', '-e', program, ...addresses], { encoding: 'utf8' });
    // A function and a line for each.
    const functions = named.split('\n').filter((_, index) => index % 2 === 0);
    t.deepEqual(functions.slice(0, chain.length), chain);
  }
});

test.serial('stripped, with a debug file of the same build id on the host', async (t) => {
  const file = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  mkdirSync(dirname(file), { recursive: true });
  t.teardown(() => {
    rmSync(file, { force: true });
    try {
      rmdirSync(dirname(file));
    } catch {
      // Others have theirs there.
    }
  });
  execFileSync('objcopy', ['--only-keep-debug', program, file]);
  const stripped = join(programs.folder, 'with-debug-file');
  execFileSync('strip', ['-o', stripped, program]);
  const pid = await programs.start(stripped);
  const { calls } = await record(pid, call);
  assertLikeGdb(t, calls, gdbFrames(programs.folder, pid, call));
  for (const { userStack } of calls) {
    t.deepEqual(told(userStack), told(atHome));
    t.like(
      userStack.find(({ symbol }) => symbol === 'inner'),
      { line: 5 },
    );
  }
});

/** Times that it has slept. */
function sleeps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
}

test.serial('killed before the report, and its mount namespace gone with it', async (t) => {
  const at = join(programs.folder, 'gone');
  mkdirSync(at);
  const script = `mount -t tmpfs none '${at}'; cp "$1" '${at}/program'; exec '${at}/program'`;
  const pid = await programs.start(...elsewhere(script));
  const args = [
    '-p',
    String(pid),
    '-s',
    '1000000',
    '--sample-count',
    '2',
    '--sample-time',
    '3',
    '-f',
    'ndjson',
  ];
  const capture = spawn(process.execPath, [cli, 'capture', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(capture, 'exit');
  const found: Sample[] = [];
  for await (const line of createInterface({ input: capture.stdout })) {
    const sample = JSON.parse(line) as Sample;
    if (sample.syscallEvents !== undefined) found.push(sample);
    if (found.length !== 1) continue;
    // The second window is open.
    for (const before = sleeps(pid); sleeps(pid) < before + 20; ) await setTimeout(20);
    process.kill(pid, 'SIGKILL');
  }
  await ended;
  const calls = found[1]?.syscallEvents ?? [];
  t.true(calls.length >= 5);
  for (const { userStack, userStackEnd } of calls) {
    t.is(userStackEnd, 'complete');
    t.deepEqual(told(userStack), told(atHome));
    t.is(basename(userStack.find(({ symbol }) => symbol === 'inner')?.module ?? ''), 'program');
  }
  t.true(names(calls[0]?.userStack ?? []).includes('main'));
});
