import test from 'ava';
import { sumBudgets, toProcesses } from '../../src/report/processes.js';
import { toSample } from '../../src/report/sample.js';
import { toThread } from '../../src/report/threads.js';
import { emptyBudget, rawSample, rawTarget, rawThread } from '../helpers/raw.js';

const budget = { ...emptyBudget, wallNs: 10, userNs: 7, blockedNs: 3 };

test('a process is the sum of its threads, in the order of the targets', (t) => {
  const threads = [
    rawThread({ pid: 200, tid: 200, comm: 'child', budget }),
    rawThread({ pid: 100, tid: 101, comm: 'worker', budget }),
    rawThread({ pid: 100, tid: 100, comm: 'renamed', budget }),
  ];
  const targets = [rawTarget(100, 'main'), rawTarget(200, 'child')];
  t.deepEqual(toSample(rawSample({ threads, targets }), 0).processes, [
    { pid: 100, comm: 'main', threads: 2, budget: { ...emptyBudget, wallNs: 20, userNs: 14, blockedNs: 6 } },
    { pid: 200, comm: 'child', threads: 1, budget },
  ]);
});

test('a process without threads is left out, one that is no target is named by its first thread', (t) => {
  const threads = [
    rawThread({ pid: 300, tid: 301, comm: 'worker', budget }),
    rawThread({ pid: 300, tid: 300, comm: 'other', budget }),
    rawThread({ pid: 400, tid: 401, comm: 'nameless', budget }),
  ];
  const { processes } = toSample(rawSample({ threads, targets: [rawTarget(100, 'main')] }), 0);
  t.deepEqual(
    processes.map(({ pid, comm }) => [pid, comm]),
    [
      [400, null],
      [300, 'other'],
    ],
  );
});

const days30 = 30 * 24 * 60 * 60 * 1e9;

/** Four threads over thirty days: together beyond what a number holds exactly. */
const long = [0, 1, 2, 0].map((blockedNs, tid) =>
  toThread(
    rawThread({ tid, budget: { ...emptyBudget, wallNs: days30 + blockedNs, userNs: days30, blockedNs } }),
    () => [],
  ),
);

test('sums that pass 2^53 are exact', (t) => {
  const { wallNs, userNs, blockedNs } = sumBudgets(long);
  t.is(wallNs, 10_368_000_000_000_003n);
  t.is(userNs + blockedNs, wallNs);
});

test('in a report they are the nearest number, however many threads there are', (t) => {
  // One by one, each of these would be rounded away.
  const wallNs = 2 ** 53;
  const threads = [
    rawThread({ tid: 1, budget: { ...emptyBudget, wallNs } }),
    ...Array.from({ length: 10 }, (_, index) =>
      rawThread({ tid: index + 2, budget: { ...emptyBudget, wallNs: 1 } }),
    ),
  ];
  const [process] = toProcesses(
    threads.map((raw) => toThread(raw, () => [])),
    [],
  );
  t.is(process?.budget.wallNs, 2 ** 53 + 10);
});
