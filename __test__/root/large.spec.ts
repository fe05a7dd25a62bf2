/** Reports of many threads with many calls: whole, and a document whenever a second signal ends kdelay. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { Report, Sample } from '../../src/report/types.js';
import { type Ended, ended } from '../helpers/child.js';
import { assertAddsUp, counts } from './captured.js';
import { cli } from './cli.js';
import { Oracle, program } from './oracle.js';

interface ShortLived {
  shortLived: { tids: number[]; syscallsOfAll: Record<string, number>; onceByEach: string[] };
}

async function inFolder(run: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kdelay-large-'));
  try {
    await run(join(folder, 'report'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function capture(...args: string[]): ChildProcess {
  return spawn(process.execPath, [cli, 'capture', ...args], { stdio: 'pipe' });
}

/** Of so many threads with 24 calls each, from the command's beginning to its end. */
function captureShortThreads(threads: number, file: string): ChildProcess {
  const work = [program, 'threads', String(threads), '--batch', '8', '--calls', '22'];
  // Room for all of them at once, sixteen calls to a thread: nothing depends on when those that have ended are taken in.
  const room = String(Math.ceil((threads * 24) / 16) + 100);
  const options = ['--sample-time', '120', '--thread-capacity', room];
  const child = capture('-f', 'json', '-o', file, ...options, '--', ...work);
  // Once it has done what it was told, its stdin is over, and so is it.
  child.stdin?.end('go\n');
  return child;
}

/** Stopped in the middle of its file, it gets these signals at once. */
async function signalledWhileItWrites(
  child: ChildProcess,
  file: string,
  bytes: number,
  signals: readonly NodeJS.Signals[],
): Promise<Ended> {
  const end = ended(child);
  while (child.exitCode === null && (await sizeOf(file)) < bytes) await delay(1);
  child.kill('SIGSTOP');
  for (const signal of signals) child.kill(signal);
  child.kill('SIGCONT');
  return end;
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

test.serial('each of 2,500 short threads is in the file with each of its 24 calls', async (t) => {
  await inFolder(async (file) => {
    const { code, stdout, stderr } = await ended(captureShortThreads(2500, file));
    t.is(code, 0, stderr);
    const { shortLived } = JSON.parse(stdout.match(/^\{.*"truth":true.*$/m)?.[0] ?? '{}') as ShortLived;
    const { samples, targets } = JSON.parse(await readFile(file, 'utf8')) as Report;
    const [sample] = samples;
    if (sample === undefined) return t.fail('no sample');
    t.is(samples.length, 1);
    t.is(targets.length, 1);
    assertAddsUp(t, sample);
    const brief = sample.threads.filter(({ comm }) => /^t\d+$/.test(comm));
    t.deepEqual(brief.map(({ tid }) => tid).sort(byNumber), shortLived.tids.toSorted(byNumber));
    t.is(shortLived.onceByEach.length, 22);
    const expected = Object.fromEntries(['prctl', ...shortLived.onceByEach].map((name) => [name, 1]));
    const different = brief.filter((thread) => {
      const made = counts(thread);
      return Object.entries(expected).some(([name, count]) => made[name] !== count);
    });
    t.deepEqual(different, []);
    t.true(brief.every(({ syscalls }) => syscalls.some(({ name }) => name === 'exit')));
    t.is(shortLived.syscallsOfAll['prctl'], 2500);
  });
});

const byNumber = (a: number, b: number) => a - b;

test.serial(
  'a second signal while the first sample is written leaves a document without samples',
  async (t) => {
    await inFolder(async (file) => {
      const child = captureShortThreads(4000, file);
      const { code, signal } = await signalledWhileItWrites(child, file, 1, ['SIGINT', 'SIGTERM']);
      t.true(atSecond.includes(code ?? -1) && signal === null, `${code} ${signal}`);
      const { schema, samples, targets } = JSON.parse(await readFile(file, 'utf8')) as Report;
      t.deepEqual([schema, samples, targets.length], ['kdelay/1', [], 1]);
    });
  },
);

/** Of signals that come at once, the kernel says which is the second. */
const atSecond: readonly number[] = [130, 143];

/** Of many samples some are written, and one is being written or taken. */
const someBytes = 10_000_000;

for (const format of ['json', 'ndjson'] as const) {
  for (const [title, signals, expected] of [
    ['a second signal', ['SIGINT', 'SIGTERM'], atSecond],
    ['the first signal', ['SIGINT'], [0]],
  ] as const) {
    test.serial(`${title} leaves the samples that are whole by then: ${format}`, async (t) => {
      const oracle = await Oracle.start('sleepers', '1000');
      try {
        await inFolder(async (file) => {
          const often = ['--sample-time', '0.01', '--sample-count', '1000'];
          const child = capture('-p', String(oracle.pid), ...often, '-f', format, '-o', file);
          const { code, stderr } = await signalledWhileItWrites(child, file, someBytes, signals);
          t.true((expected as readonly number[]).includes(code ?? -1), `${code} ${stderr}`);
          const samples = samplesIn(await readFile(file, 'utf8'), format);
          t.true(samples.length > 0 && samples.length < 1000);
          for (const [index, sample] of samples.entries()) {
            t.is(sample.index, index);
            t.true(sample.threads.length > 1000);
          }
        });
      } finally {
        oracle.end();
      }
    });
  }
}

function samplesIn(text: string, format: 'json' | 'ndjson'): Sample[] {
  if (format === 'json') return (JSON.parse(text) as Report).samples;
  return text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line));
}
