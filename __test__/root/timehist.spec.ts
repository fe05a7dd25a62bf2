/** How long each of two hundred busy threads waited for its CPU, against perf's account of the same switches, wait by wait. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { type CapturedSample, CaptureSession } from '../../src/index.js';
import { Programs } from './programs.js';

const runFile = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'kdelay-timehist-'));
const recorded = join(folder, 'perf.data');
const programs = new Programs();
test.after.always(() => {
  programs.end();
  rmSync(folder, { recursive: true });
});

const threads = 200;
/** They give their turns up again and again, and never sleep; the first two CPUs are theirs. */
const source = `
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
static void *compute(void *number) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET((long)number % 2, &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
  for (;;) {
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < 200000);
    sched_yield();
  }
  return 0;
}
int main(void) {
  for (long number = 0; number < ${threads}; number++) {
    pthread_t thread;
    if (pthread_create(&thread, 0, compute, (void *)number)) return 1;
  }
  /* However the test ends. */
  alarm(240);
  pause();
}`;

interface Wait {
  fromNs: number;
  toNs: number;
}

/** perf's lines: a run's end, the thread, what it had waited before that run, and how long it ran, in ms of three decimals. */
function waitsOf(text: string): Map<number, Wait[]> {
  const found = new Map<number, Wait[]>();
  for (const line of text.split('\n')) {
    const [, end, tid, wait, , run] =
      line.match(/^ *([\d.]+) +\[\d+\] +.*\[(\d+)(?:\/\d+)?\] +([\d.]+) +([\d.]+) +([\d.]+) *$/) ?? [];
    if (end === undefined || wait === undefined || run === undefined) continue;
    const toNs = Math.round(Number(end) * 1e9 - Number(run) * 1e6);
    const waits = found.get(Number(tid)) ?? [];
    waits.push({ fromNs: toNs - Math.round(Number(wait) * 1e6), toNs });
    found.set(Number(tid), waits);
  }
  return found;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** perf lets its own command begin once it records; beside such a load that takes seconds. */
async function untilRecording(perf: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 50) {
    const child = readFileSync(`/proc/${perf}/task/${perf}/children`, 'utf8').trim();
    if (child !== '' && readFileSync(`/proc/${child}/comm`, 'utf8') === 'sleep\n') return;
    await setTimeout(50);
  }
  throw new Error('perf does not record');
}

interface Both {
  sample: CapturedSample;
  waits: Map<number, Wait[]>;
}

/** `undefined`: perf has lost events. */
async function both(pid: number): Promise<Both | undefined> {
  const words = [
    'sched',
    'record',
    '-a',
    '-k',
    'CLOCK_MONOTONIC',
    '-m',
    '4096',
    '-o',
    recorded,
    '--',
    'sleep',
    '100',
  ];
  const perf = spawn('perf', words, { stdio: 'ignore' });
  const session = await CaptureSession.open({ pid });
  try {
    await untilRecording(perf.pid ?? 0);
    // perf has to see the runs before the window's first waits, and those after its last ones.
    await setTimeout(1000);
    session.start();
    await setTimeout(500);
    session.stop();
    await session.wait();
    await setTimeout(1500);
    await ended(perf, 'SIGINT');
    const sample = await session.read();
    const { stdout, stderr } = await runFile(
      'perf',
      ['sched', 'timehist', '-i', recorded, '--pid', String(pid)],
      {
        maxBuffer: 1 << 30,
      },
    );
    if (/lost/i.test(stderr)) return undefined;
    return { sample, waits: waitsOf(stdout) };
  } finally {
    await session.close();
    if (perf.exitCode === null && perf.signalCode === null) perf.kill();
  }
}

/** Of as many threads as have any waits: those whose sums are not perf's. */
function differing({ sample, waits }: Both): { compared: number; differing: string[]; ns: [number, number] } {
  const [startNs, stopNs] = [Number(sample.start.monotonicNs), Number(sample.stop.monotonicNs)];
  let compared = 0;
  const ns: [number, number] = [0, 0];
  const found: string[] = [];
  for (const { tid, ready } of sample.threads) {
    const whole = (waits.get(tid) ?? []).filter(({ fromNs, toNs }) => fromNs > startNs && toNs < stopNs);
    const perfNs = whole.reduce((sum, { fromNs, toNs }) => sum + toNs - fromNs, 0);
    if (whole.length === 0 || ready.count === 0) continue;
    compared++;
    ns[0] += ready.totalNs;
    ns[1] += perfNs;
    // perf says µs, and reads its clock at another place of the switch. A wait more or less is one that ended as the window did.
    const edgeNs = Math.abs(whole.length - ready.count) <= 1 ? (ready.maxNs ?? 0) : 0;
    const mostNs = ready.totalNs / 20 + (whole.length === ready.count ? 0 : edgeNs);
    if (Math.abs(whole.length - ready.count) > 1 || Math.abs(perfNs - ready.totalNs) > mostNs)
      found.push(`${tid}: ${ready.totalNs} in ${ready.count}, perf ${perfNs} in ${whole.length}`);
  }
  return { compared, differing: found, ns };
}

async function compare(t: ExecutionContext, pid: number): Promise<boolean> {
  const seen = await both(pid);
  if (seen === undefined) return false;
  const { compared, differing: found, ns } = differing(seen);
  const { losses } = seen.sample;
  t.log(
    `${compared} threads were ready for ${ns[0]} ns, by perf for ${ns[1]} ns; ${losses.switchesMissed} switches missed`,
  );
  // A switch that the kernel hides hides from both, but not what they make of it.
  t.true(found.length <= losses.switchesMissed, found.join('\n'));
  return compared === threads;
}

test.serial('each of two hundred busy threads was ready as long as perf says', async (t) => {
  const program = programs.compile('gcc', 'c', source, '-O2', '-pthread');
  // Whoever else wants a CPU is not to wait for all of them.
  const pid = await programs.start('nice', '-n', '10', program);
  let isCompared = false;
  for (let attempt = 0; attempt < 5 && !isCompared; attempt++) isCompared = await compare(t, pid);
  t.true(isCompared, 'perf lost events each time');
});
