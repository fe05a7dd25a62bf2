/** The critical path in the text report. */
import test from 'ava';
import { criticalPathPieces } from '../../../src/formats/text/critical-path.js';
import type { PathStep } from '../../../src/report/types.js';

const step = (what: PathStep['what'], over: Partial<PathStep> = {}): PathStep => ({
  what,
  call: null,
  pid: 0,
  tid: 0,
  name: '',
  by: null,
  byCall: null,
  ...over,
});

const own = { pid: 1, tid: 2, name: 'loop' };
const holder = { pid: 1, tid: 3, name: 'holder', by: 'waker' } as const;

const lines = (path: Parameters<typeof criticalPathPieces>[0]) =>
  [...criticalPathPieces(path)].join('').split('\n');

test('each part stands where it was in the window, with what it was for', (t) => {
  const path = {
    pid: 1,
    tid: 2,
    comm: 'loop',
    segments: [
      { fromNs: 0, toNs: 250_000, steps: [step('running', own)] },
      {
        fromNs: 250_000,
        toNs: 900_000,
        steps: [
          step('blocked', { ...own, call: 'futex' }),
          step('blocked', { ...holder, call: 'fsync' }),
          step('interrupt', { name: 'nvme0q1' }),
        ],
      },
      { fromNs: 900_000, toNs: 1_000_000, steps: [step('running', own)] },
    ],
  };
  t.deepEqual(lines(path), [
    '',
    '',
    '# CRITICAL PATH of loop (2), 1 ms:',
    '    250 us      25 % |######                  | running',
    '    650 us      65 % |      ################  | holder (3): blocked in fsync < interrupt nvme0q1',
    '    100 us      10 % |                      ##| running',
    '',
  ]);
});

test('of many parts the longest are shown, the others counted, and no line is longer than 100', (t) => {
  const segments = Array.from({ length: 1000 }, (_, index) => ({
    fromNs: index * 1000,
    toNs: (index + 1) * 1000 + (index % 100 === 7 ? 0 : -1),
    steps: [step('blocked', { ...holder, name: 'x'.repeat(200) })],
  }));
  const shown = lines({ pid: 1, tid: 2, comm: 'loop', segments });
  t.true(shown.every((line) => line.length <= 100));
  t.is(shown.filter((line) => line.includes('…')).length, 24);
  const left = shown.flatMap((line) => /\((\d+) shorter\)/.exec(line)?.[1] ?? []);
  t.is(
    left.reduce((sum, count) => sum + Number(count), 0),
    1000 - 24,
  );
});

test('nothing where there is none', (t) => {
  t.deepEqual([...criticalPathPieces(null)], []);
});
