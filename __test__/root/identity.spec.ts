/** Which thread, by which name, and which call by which number. */
import test from 'ava';
import {
  assertAddsUp,
  captured,
  counts,
  type Truth,
  type TruthThread,
  threadOf,
  truthOf,
} from './captured.js';

interface Reused extends Truth {
  generations: TruthThread[];
  reason: string | null;
}

test.serial('two threads that had the same tid, one after the other, are two', async (t) => {
  const { sample, truth } = await captured<Reused>(['reuse']);
  assertAddsUp(t, sample);
  if (truth.reason !== null) t.log(`no tid was used twice: ${truth.reason}`);
  const [first] = truth.generations;
  const entries = sample.threads.filter(({ tid }) => tid === first?.tid);
  t.deepEqual(
    entries.map((thread) => [thread.comm, counts(thread)]).sort(),
    truth.generations.map(({ name, syscalls }) => [name, syscalls]).sort(),
  );
  t.true(entries.every(({ exited }) => exited));
});

interface Renamed extends Truth {
  secondName: string;
  getppidUnderEachName: number;
}

test.serial('a thread has the name that it took last, whatever is in it', async (t) => {
  const { sample, truth } = await captured<Renamed>(['rename']);
  assertAddsUp(t, sample);
  const thread = threadOf(sample, truthOf(truth, 'plain').tid);
  t.is(thread.comm, truth.secondName);
  t.is(counts(thread)['getppid'], 2 * truth.getppidUnderEachName);
});

interface Compat extends Truth {
  supported: boolean;
  reason: string | null;
  ia32Number: number;
}

test.serial('calls by the 32-bit convention are counted apart, by their own names', async (t) => {
  const { sample, truth } = await captured<Compat>(['ia32', '1000']);
  assertAddsUp(t, sample);
  if (!truth.supported) {
    t.pass(`not possible here: ${truth.reason}`);
    return;
  }
  const { syscalls } = threadOf(sample, truthOf(truth, 'compat').tid);
  const compat = syscalls.filter(({ abi }) => abi === 'ia32');
  t.deepEqual(
    compat.map(({ name, number, count }) => [name, number, count]),
    [['getppid', truth.ia32Number, 1000]],
  );
  // The same number is another call by the machine's own convention.
  t.false(syscalls.some(({ abi, number }) => abi === 'native' && number === truth.ia32Number));
});
