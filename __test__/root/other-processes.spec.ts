/** Waits that processes end which nobody has asked to be captured, and what they did meanwhile; and the time before a window. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import type { Chain } from '../../src/report/types.js';
import { cli, runMeanwhile, samples } from './cli.js';

/** Every 50 ms a child of a shell ends, and the shell writes a line for the program that is captured. */
let running: ChildProcess;
let reader: ChildProcess;
test.before(async () => {
  running = spawn('sh', ['-c', 'while sleep 0.05; do echo line; done'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (running.stdout === null) throw new Error('no pipe');
  reader = spawn('cat', [], { stdio: [running.stdout, 'ignore', 'inherit'] });
  await Promise.all([once(running, 'spawn'), once(reader, 'spawn')]);
});
test.after.always(() => {
  running?.kill();
  reader?.kill();
});

/** What stands at the end of each way that begins so, with its time. */
function along(
  chains: readonly Chain[],
  [first, ...rest]: ReadonlyArray<(chain: Chain) => boolean>,
): Chain[] {
  if (first === undefined) return [];
  const found = chains.filter(first);
  return rest.length === 0 ? found : found.flatMap(({ below }) => along(below, rest));
}

const sum = (chains: readonly Chain[]) => chains.reduce((ns, { totalNs }) => ns + totalNs, 0);

test.serial('a reader waits for a shell that writes, which waits for a child that sleeps', async (t) => {
  const [sample] = await samples('-p', String(reader.pid), '--sample-time', '0.5');
  const thread = sample?.threads.find(({ tid }) => tid === reader.pid);
  const chains = thread?.chains ?? [];
  const read = (chain: Chain) => chain.what === 'blocked' && chain.call === 'read' && chain.by === null;
  const shell = (chain: Chain) =>
    chain.what === 'blocked' &&
    chain.tid === running.pid &&
    chain.byCall === 'write' &&
    chain.call === 'wait4';
  const child = (chain: Chain) =>
    chain.what === 'blocked' &&
    chain.by === 'exit' &&
    chain.name === 'sleep' &&
    chain.call === 'clock_nanosleep';
  const waitedNs = sum(along(chains, [read]));
  t.true(waitedNs > 100_000_000, JSON.stringify(chains));
  // Nine tenths on a quiet machine: of the rest the child comes to be, and to an end.
  t.true(sum(along(chains, [read, shell, child])) > waitedNs / 3, JSON.stringify(chains));
});

test.serial('what led to a trigger is told from before the window on', async (t) => {
  const begin = [
    '--start-trigger',
    't:raw_syscalls:sys_exit',
    '--trigger-scope',
    'target',
    '--before',
    '200',
  ];
  const window = ['-p', String(reader.pid), '--sample-time', '0.001', '--sample-count', '2', ...begin];
  const ran = await runMeanwhile(process.execPath, [cli, 'capture', ...window, '-f', 'json']);
  t.is(ran.status, 0, ran.stderr);
  const report = JSON.parse(ran.stdout);
  t.is(report.options.before, 200);
  for (const { criticalPath, windowNs } of report.samples) {
    t.is(criticalPath.tid, reader.pid);
    const { segments } = criticalPath;
    t.true(segments[0].fromNs < 0 && segments[0].fromNs >= -200_000_000);
    t.is(segments.at(-1).toNs, windowNs);
    for (const [index, { fromNs }] of segments.entries()) {
      if (index > 0) t.is(fromNs, segments[index - 1].toNs);
    }
  }
  const told = await runMeanwhile(process.execPath, [cli, 'capture', ...window]);
  t.regex(told.stdout, /# CRITICAL PATH of cat \(\d+\), 1(\.0+)? ms, and [\d.]+ m?s before that:/);
});
