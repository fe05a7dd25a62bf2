/** Threads that come and go, and many of them at once. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import type { Report, Thread } from '../../src/index.js';
import { assertAddsUp, captured, counts, type Truth } from './captured.js';
import { butHiddenSwitches, cli } from './cli.js';
import { Oracle } from './oracle.js';

interface ShortLived extends Truth {
  shortLived: { tids: number[]; syscallsOfAll: Record<string, number> };
}

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** More than there are records for: those of the ended are taken in while the window is open. */
for (const [title, options] of [
  ['each of 4,000 threads that come and go has an entry, its name and its calls', {}],
  [
    'also in a window that a trigger opens',
    { startTrigger: 't:raw_syscalls:sys_exit', triggerScope: 'target' },
  ],
] as const) {
  test.serial(title, async (t) => {
    const { sample, truth } = await captured<ShortLived>(['threads', '4000', '--batch', '8'], options);
    assertAddsUp(t, sample);
    const brief = sample.threads.filter(({ comm }) => /^t\d+$/.test(comm));
    t.deepEqual(
      sorted(brief.map(({ comm }) => Number(comm.slice(1)))),
      Array.from({ length: 4000 }, (_, index) => index),
    );
    t.true(brief.every(({ exited }) => exited));
    t.deepEqual(sorted(brief.map(({ tid }) => tid)), sorted(truth.shortLived.tids));
    const sums: Record<string, number> = {};
    for (const thread of brief) {
      for (const [name, count] of Object.entries(counts(thread))) sums[name] = (sums[name] ?? 0) + count;
    }
    t.deepEqual(sums, truth.shortLived.syscallsOfAll);
  });
}

function isAsleepAllAlong({ budget, syscalls }: Thread, windowNs: number): boolean {
  const [call] = syscalls;
  return budget.blockedNs === windowNs && call?.name === 'futex' && call.inFlightNs === windowNs;
}

test.serial('10,000 threads that sleep all along are all there, in each format', async (t) => {
  const oracle = await Oracle.start('sleepers', '10000');
  const folder = await mkdtemp(join(tmpdir(), 'kdelay-sleepers-'));
  const capture = async (format: string) => {
    const file = join(folder, format);
    const args = [
      cli,
      'capture',
      '-p',
      String(oracle.pid),
      '--sample-time',
      '0.05',
      '-f',
      format,
      '-o',
      file,
    ];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    t.is(stdout + butHiddenSwitches(stderr), '');
    return readFile(file, 'utf8');
  };
  try {
    const report = JSON.parse(await capture('json')) as Report;
    const [sample] = report.samples;
    if (sample === undefined) return t.fail('no sample');
    const sleepers = sample.threads.filter(({ comm }) => /^s\d+$/.test(comm));
    t.is(new Set(sleepers.map(({ comm }) => comm)).size, 10_000);
    t.is(sleepers.filter((thread) => !isAsleepAllAlong(thread, sample.windowNs)).length, 0);
    assertAddsUp(t, sample);
    const lines = (await capture('ndjson')).trimEnd().split('\n');
    t.is(JSON.parse(lines[1] ?? '').threads.length, sample.threads.length);
    t.is((await capture('text')).match(/^ +\d+ s\d+ +\[SYSCALL STATISTICS\]$/gm)?.length, 10_000);
  } finally {
    oracle.end();
    await rm(folder, { recursive: true });
  }
});
