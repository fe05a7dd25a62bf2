import test from 'ava';
import { spread } from '../../bench/statistics.js';

test('median and quartiles are interpolated between the two nearest values', (t) => {
  t.deepEqual(spread([4, 1, 3, 2]), { low: 1.75, median: 2.5, high: 3.25 });
  t.deepEqual(spread([5, 1, 3]), { low: 2, median: 3, high: 4 });
  t.deepEqual(spread([7]), { low: 7, median: 7, high: 7 });
});

test('values are sorted as numbers, and the caller’s array is left alone', (t) => {
  const values = [100, 9, 20];
  t.is(spread(values).median, 20);
  t.deepEqual(values, [100, 9, 20]);
});

test('no values have no median', (t) => {
  t.throws(() => spread([]), { instanceOf: RangeError });
});
