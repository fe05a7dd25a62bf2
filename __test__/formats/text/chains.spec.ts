/** What threads waited for, in the text report. */
import test from 'ava';
import { chainRows } from '../../../src/formats/text/chains.js';
import { rawChain } from '../../helpers/raw.js';

const lock = rawChain('blocked', 900, {
  call: 'futex',
  pid: 1,
  tid: 2,
  name: 'victim',
  below: [
    rawChain('blocked', 800, {
      by: 'waker',
      pid: 1,
      tid: 3,
      name: 'holder',
      call: 'clock_nanosleep',
      below: [rawChain('interrupt', 800, { name: 'local_timer' })],
    }),
    rawChain('running', 90, { by: 'waker', pid: 1, tid: 3, name: 'holder' }),
    rawChain('unknown', 6),
    rawChain('others', 4),
  ],
});

test('each step is indented below the one that it explains, and only the longest are told', (t) => {
  t.deepEqual(chainRows({ chains: [lock, rawChain('ready', 100, { pid: 1, tid: 2, name: 'victim' })] }), [
    ['blocked in futex', 1, '900', '90.00'],
    ['  holder (3): blocked in clock_nanosleep', 1, '800', '80.00'],
    ['    interrupt local_timer', 1, '800', '80.00'],
    ['  holder (3): running', 1, '90', '9.00'],
    ['  (not known)', 1, '6', '0.60'],
    ['ready for a CPU', 1, '100', '10.00'],
  ]);
});

for (const [chain, words] of [
  [rawChain('turn', 1, { tid: 5, name: 'noisy' }), 'the CPU was noisy (5)’s'],
  [rawChain('turn', 1), 'the CPU was (no name)’s'],
  [rawChain('idle', 1), 'the CPU was waking up'],
  [rawChain('interrupt', 1), 'an interrupt'],
  [rawChain('unfinished', 1), 'not over at the window’s end'],
  [rawChain('blocked', 1, { by: 'exit', tid: 7, name: 'child' }), 'child (7), until it ended: blocked'],
  [
    rawChain('running', 1, { by: 'parent', tid: 8, name: 'shell' }),
    'shell (8), before it made that one: running',
  ],
  [rawChain('running', 1, { by: 'waker', tid: 9, name: 'a\nb' }), 'a\\nb (9): running'],
  [rawChain('blocked', 1, { by: 'waker', byCall: 'kill', tid: 9, name: 'sh' }), 'sh (9) by kill: blocked'],
] as const) {
  test(`in words: ${words}`, (t) => {
    t.deepEqual(chainRows({ chains: [chain] }), [[words, 1, '1', '100.00']]);
  });
}

test('nothing where nothing was recorded, and where nothing was waited for', (t) => {
  t.deepEqual(chainRows({ chains: null }), []);
  t.deepEqual(chainRows({ chains: [] }), []);
});
