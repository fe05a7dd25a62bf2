/** Triggers of every user-space kind, with the real command line. Kernel functions need another kernel: see crates/loader/tests/triggers and scripts/test-kernels. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import type { Report, Sample } from '../../src/report/types.js';
import { assertRefused, butHiddenSwitches, cli, runMeanwhile, samples } from './cli.js';

const folder = mkdtempSync(join(tmpdir(), 'kdelay-triggers-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** 20 calls of getppid, and a sleep of 2 ms, between each begin and end. `listened` is how often the probe had a listener. */
const program = `
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#include <stdio.h>
#include <unistd.h>
__extension__ unsigned short demo_watched_semaphore __attribute__((unused)) __attribute__((section(".probes")));
int library_begin(int);
__attribute__((noinline)) int work(int i) {
  for (int k = 0; k < 20; k++) getppid();
  usleep(2000);
  return i;
}
static __attribute__((noinline)) void hidden(void) { __asm__ volatile("" ::: "memory"); }
int main(int argc, char **argv) {
  unsigned listened = 0;
  for (int i = 0; argc < 2 || i < 50; i++) {
    library_begin(i);
    if (demo_watched_semaphore) { STAP_PROBE1(demo, watched, i); listened++; }
    work(i);
    hidden();
    usleep(500);
    if (i % 100 == 99) { printf("%u %u\\n", listened, demo_watched_semaphore); fflush(stdout); }
  }
}`;

/** Without semaphores, and one probe at two places; and a function of which the loader chooses an implementation. */
const library = `
#include <sys/sdt.h>
static __attribute__((noinline)) int implementation(int i) { __asm__ volatile("" ::: "memory"); return i + 1; }
static void *choose(void) { return implementation; }
int indirect(int) __attribute__((ifunc("choose")));
int library_begin(int i) {
  if (i % 2) STAP_PROBE(lib, either); else STAP_PROBE(lib, either);
  return indirect(i);
}`;

function compile(): string {
  const at = (name: string) => join(folder, name);
  writeFileSync(at('demo.c'), program);
  writeFileSync(at('library.c'), library);
  // Bound at once: else nothing is chosen of the indirect function before it is called.
  const shared = ['-shared', '-fPIC', '-Wl,-z,now'];
  execFileSync('cc', ['-O1', '-g', ...shared, '-o', at('libkdelaydemo.so'), at('library.c')]);
  const link = ['-L', folder, '-lkdelaydemo', `-Wl,-rpath,${folder}`];
  execFileSync('cc', ['-O1', '-g', '-o', at('demo'), at('demo.c'), ...link]);
  return at('demo');
}

const demo = compile();
let running: ChildProcess;
test.before(async () => {
  running = spawn(demo, { stdio: ['ignore', 'ignore', 'inherit'] });
  await once(running, 'spawn');
});
test.after.always(() => running?.kill());

const kdelay = (...args: string[]) => runMeanwhile(process.execPath, [cli, ...args]);

const ofDemo = () => ['-p', String(running.pid), '--trigger-timeout', '30'];

function getppids({ threads }: Sample): number {
  return threads.flatMap(({ syscalls }) => syscalls).find(({ name }) => name === 'getppid')?.count ?? 0;
}

for (const [title, start, stop] of [
  ['a function and its return', 'up:work', 'ur:work'],
  ['long spellings', 'uprobe:work', 'uretprobe:work'],
  ['the third spelling of a return', 'up:work', 'upr:work'],
  ['a USDT probe with a semaphore', 'u:demo:watched', 'ur:work'],
  ['a USDT probe of a library, at two places', 'u:lib:either', 'up:hidden'],
  ['a library’s function, and a static one', 'up:libkdelaydemo.so:library_begin', 'up:hidden'],
  ['an indirect function', 'up:libkdelaydemo.so:indirect', 'up:hidden'],
  ['a return as start', 'ur:libkdelaydemo.so:library_begin', 'usdt:lib:either'],
  ['an offset', 'up:work+0x0', 'ur:work'],
  ['a tracepoint and a function', 't:syscalls:sys_enter_getppid', 'ur:work'],
] as const) {
  test.serial(`between ${title}`, async (t) => {
    const args = [...ofDemo(), '--start-trigger', start, '--stop-trigger', stop, '--sample-count', '3'];
    if (start.startsWith('t:')) {
      // Not every kernel has a tracepoint for each call.
      args[args.indexOf(start)] = 't:raw_syscalls:sys_enter';
      args.push('--trigger-scope', 'target');
    }
    const taken = await samples(...args);
    t.is(taken.length, 3);
    for (const sample of taken) {
      t.is(sample.start.by, 'trigger');
      t.is(sample.stop.by, 'trigger');
      t.is(sample.start.trigger?.tid, running.pid);
      t.is(sample.stop.trigger?.comm, 'demo');
      t.true(sample.windowNs >= 2_000_000 || start.startsWith('t:'));
      if (!start.startsWith('t:')) t.is(getppids(sample), 20);
    }
  });
}

test.serial('a program whose main thread has ended, and one whose main thread ends', async (t) => {
  const source = join(folder, 'leaderless.c');
  writeFileSync(
    source,
    `
#include <pthread.h>
#include <stdio.h>
#include <sys/sdt.h>
#include <unistd.h>
static void *worker(void *none) { for (;;) { STAP_PROBE(leaderless, tick); usleep(1000); } }
int main(int argc, char **argv) {
  pthread_t thread;
  pthread_create(&thread, 0, worker, 0);
  if (argc > 1) getchar();
  pthread_exit(0);
}`,
  );
  const program = join(folder, 'leaderless');
  execFileSync('cc', ['-O1', '-g', '-pthread', '-o', program, source]);
  const ended = spawn(program, { stdio: 'ignore' });
  const ending = spawn(program, ['later'], { stdio: ['pipe', 'ignore', 'inherit'] });
  await Promise.all([once(ended, 'spawn'), once(ending, 'spawn')]);
  const state = ({ pid }: ChildProcess) => /\) (.) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
  const isZombie = async (child: ChildProcess) => {
    while (state(child) !== 'Z') await new Promise(setImmediate);
  };
  await isZombie(ended);
  const trigger = [
    '--start-trigger',
    'u:leaderless:tick',
    '--trigger-timeout',
    '30',
    '--sample-time',
    '0.001',
  ];
  const [sample] = await samples('-p', String(ended.pid), ...trigger);
  t.not(sample?.start.trigger?.tid, ended.pid);
  t.is(sample?.start.trigger?.pid, ended.pid);

  const args = [
    cli,
    'capture',
    '-p',
    String(ending.pid),
    ...trigger,
    '--sample-count',
    '100000',
    '-f',
    'ndjson',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  await lines.next();
  ending.stdin?.end('x');
  await isZombie(ending);
  // More than are armed ahead: those that come at the end were opened by the thread that is left.
  for (let left = 200; left > 0; left--) t.false((await lines.next()).done);
  child.kill('SIGKILL');
  ended.kill('SIGKILL');
  ending.kill('SIGKILL');
});

test.serial('the semaphore is raised while kdelay listens and lowered when it is killed', async (t) => {
  const twin = spawn(demo, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: twin.stdout })[Symbol.asyncIterator]();
  const semaphore = async (wanted: number) => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the program ended');
      if (Number(value?.split(' ')[1]) === wanted) return;
    }
  };
  await semaphore(0);
  const args = [
    'capture',
    '-p',
    String(twin.pid),
    '--start-trigger',
    'u:demo:watched',
    '--sample-count',
    '100000',
  ];
  const listener = spawn(process.execPath, [cli, ...args, '-o', '/dev/null'], { stdio: 'ignore' });
  await semaphore(1);
  listener.kill('SIGKILL');
  await semaphore(0);
  twin.kill();
  t.pass();
});

test.serial('short calls are dropped, told in the report, and do not count', async (t) => {
  // Half a millisecond each: none is long enough, and Ctrl-C ends the run.
  const triggers = ['--start-trigger', 'up:hidden', '--stop-trigger', 'up:libkdelaydemo.so:library_begin'];
  const args = ['capture', '-p', String(running.pid), ...triggers, '--trigger-delta', '10000000000'];
  const interrupted = () =>
    runMeanwhile('timeout', [
      '--foreground',
      '--preserve-status',
      '-s',
      'INT',
      '2',
      process.execPath,
      cli,
      ...args,
    ]);
  let ran = await interrupted();
  // Where it comes in the middle of a window, that one is a sample, however short: then once more.
  for (let more = 10; ran.status === 0 && more > 0; more--) ran = await interrupted();
  // A run without a sample is no success, whatever was skipped.
  t.is(ran.status, 130, ran.stderr);
  t.regex(ran.stdout, /^# Sample dump skipped, delta [\d,]+ ns @/m);
  t.regex(ran.stderr, /no sample was taken/);
});

test.serial('a trigger that does not fire ends the wait with a code of its own', async (t) => {
  const ran = await kdelay(
    'capture',
    '-p',
    String(process.pid),
    ...[
      '--start-trigger',
      't:sched:sched_process_exec',
      '--trigger-scope',
      'target',
      '--trigger-timeout',
      '0.2',
    ],
  );
  assertRefused(
    t,
    ran,
    75,
    /start trigger t:sched:sched_process_exec did not fire in 0\.2 s/,
    /kdelay probes/,
  );
});

test.serial('a command’s own functions are its triggers', async (t) => {
  const triggers = ['--start-trigger', 'up:work', '--stop-trigger', 'ur:work'];
  const file = join(folder, 'command.json');
  const ran = await kdelay('capture', '-f', 'json', '-o', file, ...triggers, '--', demo, 'briefly');
  t.is(ran.status, 0, ran.stderr);
  t.regex(butHiddenSwitches(ran.stderr), /^(kdelay: note: the command runs on as process \d+\n)?$/);
  const { samples: taken } = JSON.parse(readFileSync(file, 'utf8')) as Report;
  t.is(taken[0]?.start.by, 'trigger');
  t.is(getppids(taken[0] as Sample), 20);
});

for (const [trigger, status, message] of [
  ['up:wrok', 66, /no function wrok/],
  ['u:demo:wached', 66, /wached/],
  ['nonsense', 64, /nonsense/],
  ['up:', 64, /up:/],
  ['t:sched:nothing', 66, /no tracepoint/],
  ['up:libnothing.so:f', 66, /libnothing/],
  ['up:work+0x100000', 66, /\bwork\b/],
] as const) {
  test.serial(`${trigger} is refused`, async (t) => {
    const ran = await kdelay('capture', '-p', String(running.pid), '--start-trigger', trigger);
    assertRefused(t, ran, status, message);
  });
}

test.serial('what is listed can be a trigger', async (t) => {
  const ran = await kdelay('probes', '-p', String(running.pid), '-f', 'json', 'lib');
  t.is(ran.status, 0, ran.stderr);
  const { probes } = JSON.parse(ran.stdout) as { probes: Array<{ trigger: string; locations: number }> };
  t.is(probes.find(({ trigger }) => trigger.endsWith('lib:either'))?.locations, 2);
  const { stdout: text } = await kdelay('probes', '-p', String(running.pid), 'up:hid*');
  t.regex(text, /^up:hidden\t/);
});
