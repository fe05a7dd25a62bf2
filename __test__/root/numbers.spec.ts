/** Every number that a system call can have, in every calling convention: each is one row, and what has none is lost once. */
import test from 'ava';
import { callOf, captured, type Truth, threadOf, truthOf } from './captured.js';

interface Numbers extends Truth {
  rounds: number;
  native: number[];
  ia32: number[];
  x32: number[];
}

const conventions = ['native', 'ia32', 'x32'] as const;

test.serial('each call of each convention stands once, with its count', async (t) => {
  const { sample, truth } = await captured<Numbers>(['numbers', '5']);
  t.is(sample.losses.syscallsUntracked, 0);
  const worker = truthOf(truth, 'numbers');
  const thread = threadOf(sample, worker.tid);
  for (const abi of conventions) {
    const made = new Map(truth[abi].map((number) => [number, truth.rounds]));
    // What it did besides: it slept after each round, and said that it was done.
    for (const [name, count] of abi === 'native' ? Object.entries(worker.syscalls) : []) {
      const number = callOf(thread, name)?.number ?? -1;
      made.set(number, (made.get(number) ?? 0) + count);
    }
    const counted = thread.syscalls.filter((call) => call.abi === abi && call.count > 0);
    t.deepEqual(
      counted.map(({ number, count }) => [number, count]).sort(([a = 0], [b = 0]) => a - b),
      [...made].sort(([a], [b]) => a - b),
      abi,
    );
  }
});

test.serial('a call for which there is no row is lost once, however often it is switched in', async (t) => {
  const { sample, truth } = await captured<Numbers>(['numbers', '20'], { threadCapacity: 4 });
  const numbers = conventions.reduce((calls, abi) => calls + truth[abi].length, 0);
  const calls = (counts: number[]) => counts.reduce((sum, count) => sum + count, 0);
  const others = calls(truth.threads.flatMap(({ syscalls }) => Object.values(syscalls)));
  const counted = calls(sample.threads.flatMap(({ syscalls }) => syscalls.map(({ count }) => count)));
  t.true(counted > 0 && sample.losses.syscallsUntracked > 0);
  t.is(counted + sample.losses.syscallsUntracked, truth.rounds * numbers + others);
});
