import test from 'ava';
import { Samples } from '../../bench/samples.js';

test('a figure that was never given is null, or an error where it must be there', (t) => {
  const samples = new Samples<'added' | 'lost'>();
  samples.add('kdelay', { added: 1, lost: null });
  t.is(samples.ifAny('kdelay', 'lost'), null);
  t.throws(() => samples.of('kdelay', 'lost'), { instanceOf: RangeError });
  t.deepEqual(samples.of('kdelay', 'added'), { low: 1, median: 1, high: 1 });
});

test('a multiple is taken round by round', (t) => {
  const samples = new Samples<'added'>();
  for (const [ours, theirs] of [
    [10, 5],
    [40, 20],
    [60, 20],
  ] as const) {
    samples.add('kdelay', { added: ours });
    samples.add('floor', { added: theirs });
  }
  t.deepEqual(samples.multiple('kdelay', 'floor', 'added'), { low: 2, median: 2, high: 2.5 });
});

test('there is no multiple of what cannot be told from nothing', (t) => {
  const samples = new Samples<'added'>();
  for (const theirs of [-3, 5, 1]) {
    samples.add('kdelay', { added: 10 });
    samples.add('floor', { added: theirs });
  }
  t.is(samples.multiple('kdelay', 'floor', 'added'), null);
  t.is(samples.multiple('kdelay', 'absent', 'added'), null);
});
