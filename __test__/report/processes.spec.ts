import test from 'ava';
import { toSample } from '../../src/report/sample.js';
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
