/** What a newcomer sees: the report on the demo says that its consumer waits for its producer, and what that does meanwhile. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Chain, Thread } from '../../src/index.js';
import { kdelay, samples } from './cli.js';

const program = fileURLToPath(new URL('../../target/release/kdelay-demo', import.meta.url));
let demo: ChildProcessWithoutNullStreams;

test.serial.before(async () => {
  // Ends by itself, whatever becomes of the tests.
  demo = spawn(program, ['240']);
  // It says so once all its threads run.
  await once(demo.stdout, 'data');
});
test.after.always(() => demo.kill());

const sum = (chains: readonly Chain[]) => chains.reduce((ns, { totalNs }) => ns + totalNs, 0);

test.serial('in JSON its consumer has waited for its producer, which slept until a timer rang', async (t) => {
  const [sample] = await samples('-p', String(demo.pid), '--sample-time', '1');
  const named = (comm: string): Thread => {
    const thread = sample?.threads.find((candidate) => candidate.comm === comm);
    if (thread === undefined) throw new Error(`no thread ${comm}`);
    return thread;
  };
  const [consumer, producer] = [named('consumer'), named('producer')];
  const waits = (consumer.chains ?? []).filter(({ what, call }) => what === 'blocked' && call === 'futex');
  const below = waits.flatMap((chain) => chain.below);
  t.is(sum(below), sum(waits));
  // Only the producer fills the queue; beside it only the time limit ends a wait, and that hardly ever.
  const its = below.filter(({ pid, tid }) => pid === demo.pid && tid === producer.tid);
  t.true(its.length > 0 && its.every(({ name, by }) => name === 'producer' && by === 'waker'));
  t.true(sum(its) > sum(below) / 2, JSON.stringify(waits));
  // It sleeps for ms between its bursts, in which it makes items for the consumer at once.
  const asleep = its.filter(({ what, call }) => what === 'blocked' && call === 'clock_nanosleep');
  const timer = asleep.flatMap((chain) => chain.below).filter(({ what }) => what === 'interrupt');
  t.true(sum(timer) > 0, JSON.stringify(its));
  t.true(sum(asleep) <= (producer.syscalls.find(({ name }) => name === 'clock_nanosleep')?.blockedNs ?? 0));
});

test.serial('as text one line stands below the other', (t) => {
  const { status, stdout } = kdelay('capture', '-p', String(demo.pid), '--sample-time', '1');
  t.is(status, 0);
  const lines = stdout.split('\n').map((line) => line.trimEnd());
  const follows = (index: number, pattern: RegExp) => pattern.test(lines[index] ?? '');
  const found = lines.findIndex(
    (line, index) =>
      /^\s*(\d+ )?\s*blocked in futex/.test(line) &&
      follows(index + 1, /^ .*producer \(\d+\)( by futex)?: blocked in clock_nanosleep/) &&
      follows(index + 2, /^ .*interrupt/),
  );
  t.true(found >= 0, stdout);
});
