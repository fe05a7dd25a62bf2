/** System calls of threads become objects as they are read, of some threads at a time. */
import { deepStrictEqual } from 'node:assert';
import test from 'ava';
import type { Binding } from '../../src/native/index.js';
import { toSample } from '../../src/report/sample.js';
import type { Thread } from '../../src/report/types.js';
import { plain } from '../helpers/plain.js';
import { type RawThread, rawSample, rawSyscall, rawThread, rawThreads } from '../helpers/raw.js';

/** With one call that has the thread's tid for its count. */
const counted = (tid: number, comm = 'worker'): RawThread =>
  rawThread({ tid, comm, syscalls: [rawSyscall('read', 0, { count: tid })] });

/** Threads, and how many of them native code was asked for each time. */
function watched(raw: RawThread[]): { threads: Thread[]; asked: number[] } {
  const asked: number[] = [];
  const native = rawThreads(raw);
  const syscalls = (numbers: number[]) => {
    asked.push(numbers.length);
    return native.syscalls(numbers);
  };
  const watching = { ...native, length: raw.length, syscalls } as Binding.BindingThreads;
  return { threads: toSample({ ...rawSample(), threads: watching }, 0).threads, asked };
}

const counts = (threads: readonly Thread[]) => threads.map(({ syscalls }) => syscalls[0]?.count);

test('each thread has its own, in whatever order native code has the threads', (t) => {
  const tids = Array.from({ length: 1000 }, (_, index) => ((index * 617) % 1000) + 1);
  const { threads } = watched(tids.map((tid) => counted(tid, tid % 2 === 0 ? 'even' : 'odd')));
  t.is(threads.length, 1000);
  t.deepEqual(
    counts(threads),
    threads.map(({ tid }) => tid),
  );
});

test('any of them can be read at any time', (t) => {
  const { threads } = watched(Array.from({ length: 500 }, (_, index) => counted(index + 1)));
  for (const place of [499, 0, 250, 251, 1, 499, 252, 253, 254, 0])
    t.is(threads[place]?.syscalls[0]?.count, place + 1);
});

test('they are asked for as they are read, of many threads one after the other, and of one alone', (t) => {
  const { threads, asked } = watched(Array.from({ length: 2000 }, (_, index) => counted(index + 1)));
  t.deepEqual(asked, []);
  counts(threads);
  t.true(Math.max(...asked) <= 8);
  t.true(asked.length < 270);
  asked.length = 0;
  for (const place of [10, 1000, 20]) t.is(threads[place]?.syscalls.length, 1);
  t.deepEqual(asked, [1, 1, 1]);
});

test('a thread is a plain object to whoever copies, compares or writes it', (t) => {
  const [thread = t.fail()] = watched([counted(7)]).threads;
  const whole = { ...thread };
  t.is(whole.syscalls[0]?.count, 7);
  t.deepEqual(thread, whole);
  deepStrictEqual(plain(thread), plain(whole));
  t.deepEqual(structuredClone(thread), whole);
  t.true(Object.keys(thread).includes('syscalls'));
});

test('what a call has is where it was, and what it has not is null', (t) => {
  const syscalls = [
    rawSyscall('read', 0, { histogram: [10, 1], totalNs: 9 }),
    rawSyscall('write', 1, { histogram: null, totalNs: 8 }),
    rawSyscall('open', 2, {
      histogram: [],
      totalNs: 7,
      count: 0,
      maxNs: 0,
      refused: 3,
      refusedErrno: 'EPERM',
    }),
    rawSyscall('close', 3, { histogram: [11, 2, 12, 3], totalNs: 6, abi: 'ia32', refused: 1 }),
  ];
  const [thread] = watched([rawThread({ syscalls })]).threads;
  t.deepEqual(
    thread?.syscalls.map(({ name, abi, maxNs, refused, refusedErrno, histogram }) => ({
      name,
      abi,
      maxNs,
      refused: [refused, refusedErrno],
      histogram: histogram?.map(({ count }) => count) ?? null,
    })),
    [
      { name: 'read', abi: 'native', maxNs: 1000, refused: [0, null], histogram: [1] },
      { name: 'write', abi: 'native', maxNs: 1000, refused: [0, null], histogram: null },
      { name: 'open', abi: 'native', maxNs: null, refused: [3, 'EPERM'], histogram: [] },
      { name: 'close', abi: 'ia32', maxNs: 1000, refused: [1, null], histogram: [2, 3] },
    ],
  );
});

test('threads without calls stand between those that have some', (t) => {
  const { threads } = watched([rawThread({ tid: 1 }), counted(2, 'main'), rawThread({ tid: 3 })]);
  t.deepEqual(
    threads.map(({ syscalls }) => syscalls.length),
    [0, 1, 0],
  );
});
