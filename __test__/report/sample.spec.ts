import test from 'ava';
import { toSample } from '../../src/report/sample.js';
import { busyThread, rawSample, rawSyscall, rawThread, rawWindow } from '../helpers/raw.js';

test('threads are sorted by name, then tid', (t) => {
  const threads = [
    rawThread({ tid: 9, comm: 'b' }),
    rawThread({ tid: 10, comm: 'a' }),
    rawThread({ tid: 2, comm: 'b' }),
    rawThread({ tid: 3, comm: 'B' }),
  ];
  const sample = toSample(rawSample({ threads }), 0);
  t.deepEqual(
    sample.threads.map(({ comm, tid }) => `${comm}${tid}`),
    ['B3', 'a10', 'b2', 'b9'],
  );
});

test('system calls are sorted by total, then time in flight, then number', (t) => {
  const syscalls = [
    rawSyscall('few', 1, { totalNs: 1 }),
    rawSyscall('flying', 9, { totalNs: 5, inFlightNs: 7 }),
    rawSyscall('second', 3, { totalNs: 5 }),
    rawSyscall('first', 2, { totalNs: 5 }),
    rawSyscall('most', 8, { totalNs: 10 }),
  ];
  const [thread] = toSample(rawSample({ threads: [rawThread({ syscalls })] }), 0).threads;
  t.deepEqual(
    thread?.syscalls.map(({ name }) => name),
    ['most', 'flying', 'first', 'second', 'few'],
  );
});

test('interrupts are sorted by total', (t) => {
  const [thread] = toSample(rawSample({ threads: [busyThread()] }), 0).threads;
  t.deepEqual(
    thread?.hardIrqs.map(({ irq }) => irq),
    [33, 24],
  );
  t.deepEqual(
    thread?.softIrqs.map(({ name }) => name),
    ['sched', 'rcu'],
  );
});

test('times are exact where a double is not', (t) => {
  const { start, stop, windowNs } = toSample(rawSample(), 4);
  t.deepEqual(start, {
    wall: '2026-11-24T03:58:11.123456789Z',
    monotonicNs: '9007199254740993123',
    by: 'time',
    trigger: null,
  });
  t.deepEqual(stop, {
    wall: '2026-11-24T03:58:11.623456789Z',
    monotonicNs: '9007199255240993123',
    by: 'time',
    trigger: null,
  });
  t.is(windowNs, 500_000_000);
});

for (const by of ['time', 'interrupt', 'exit', 'timeout', 'left'] as const) {
  test(`a window closed by ${by} says so`, (t) => {
    t.is(toSample(rawSample({ window: rawWindow({ by }) }), 0).stop.by, by);
  });
}

test('a window says in which threads its triggers fired', (t) => {
  const worker = { pid: 100, tid: 101, comm: 'worker' };
  const idle = { pid: 0, tid: 0, comm: 'swapper/1' };
  const window = rawWindow({ by: 'trigger', trigger: idle }, { trigger: worker });
  const { start, stop, startsInWindow } = toSample(rawSample({ window, startsInWindow: 3 }), 0);
  t.deepEqual([start.by, start.trigger], ['trigger', worker]);
  t.deepEqual([stop.by, stop.trigger], ['trigger', idle]);
  t.is(startsInWindow, 3);
});

test('nothing counted has no shortest and no longest', (t) => {
  const run = { count: 0, totalNs: 0, minNs: 0, maxNs: 0, clippedNs: 5, histogram: null };
  const syscalls = [rawSyscall('futex', 202, { count: 0, totalNs: 0, maxNs: 0, inFlightNs: 5 })];
  const [thread] = toSample(rawSample({ threads: [rawThread({ run, syscalls })] }), 0).threads;
  t.like(thread?.run, { count: 0, totalNs: 0, minNs: null, maxNs: null, clippedNs: 5, histogram: null });
  t.is(thread?.run.percentiles, null);
  t.is(thread?.syscalls[0]?.maxNs, null);
  t.is(thread?.ready.woken.maxNs, null);
});

test('a measured 0 stays 0', (t) => {
  const run = { count: 1, totalNs: 0, minNs: 0, maxNs: 0, clippedNs: 0, histogram: [0, 1] };
  const [thread] = toSample(rawSample({ threads: [rawThread({ run })] }), 0).threads;
  t.is(thread?.run.minNs, 0);
});

test('what the native side does not know is null', (t) => {
  const sample = toSample(rawSample({ threads: [rawThread()] }), 0);
  t.is(sample.stealNs, null);
  t.is(sample.upcalls, null);
  t.deepEqual(sample.threads[0]?.faults, { minor: null, major: null, blockedNs: 0 });
  t.is(sample.threads[0]?.longPoll.maxNs, null);
});

test('what is largest comes first: localIrqs, those that ran, CPUs and wakers', (t) => {
  const [thread] = toSample(
    rawSample({
      threads: [
        rawThread({
          localIrqs: [1, 2].map((vector) => ({ name: 'v', vector, count: 1, totalNs: vector, maxNs: 1 })),
          ranInstead: {
            tasks: [1, 2].map((tid) => ({ pid: 9, tid, comm: 'x', count: 1, totalNs: tid, cgroup: null })),
            otherTasksNs: 0,
            cpus: [1, 2].map((cpu) => ({ cpu, totalNs: cpu })),
            unattributedNs: 0,
          },
          wokenBy: [1, 2].map((tid) => ({
            by: 'task' as const,
            name: 'x',
            pid: 9,
            tid,
            count: 1,
            blockedNs: tid,
          })),
        }),
      ],
    }),
    0,
  ).threads;
  t.deepEqual(
    [
      thread?.localIrqs.map(({ vector }) => vector),
      thread?.ranInstead.tasks.map(({ tid }) => tid),
      thread?.ranInstead.cpus.map(({ cpu }) => cpu),
      thread?.wokenBy.map(({ tid }) => tid),
    ],
    [
      [2, 1],
      [2, 1],
      [2, 1],
      [2, 1],
    ],
  );
});

test('upcalls are sorted by CPU, then result, successes first', (t) => {
  const upcalls = [
    { cpu: 1, result: -28, errno: 'ENOSPC', count: 1 },
    { cpu: 1, result: 0, errno: null, count: 2 },
    { cpu: 0, result: -12, errno: 'ENOMEM', count: 3 },
  ];
  const counts = toSample(rawSample({ upcalls }), 0).upcalls?.map(({ count }) => count);
  t.deepEqual(counts, [3, 2, 1]);
});

test('an uncounted loss is null, not 0', (t) => {
  const losses = { ...rawSample().losses, recursionMisses: null };
  t.is(toSample(rawSample({ losses }), 0).losses.recursionMisses, null);
});
