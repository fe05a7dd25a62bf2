import test from 'ava';
import {
  apportion,
  isoTime,
  localTime,
  mean,
  percent,
  secondsToNs,
  shortTime,
  thousands,
  wholeNumber,
  wholePercent,
} from '../src/units.js';

for (const [value, text] of [
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [123456, '123,456'],
  [9_007_199_254_740_991, '9,007,199,254,740,991'],
] as const) {
  test(`${value} is printed as ${text}`, (t) => {
    t.is(thousands(value), text);
  });
}

test('a share has two decimals, and none of nothing', (t) => {
  t.is(percent(1, 3), '33.33');
  t.is(percent(0, 5), '0.00');
  t.is(percent(0, 0), '-');
});

for (const [ns, text] of [
  [0, '0 ns'],
  [999, '999 ns'],
  [1234, '1.23 us'],
  [999_999, '1 ms'],
  [61_234_000_000, '61.2 s'],
  [123_456_000_000_000, '123000 s'],
] as const) {
  test(`${ns} ns read best as ${text}`, (t) => {
    t.is(shortTime(ns), text);
  });
}

test('a share in whole percents is 0 only of nothing and 100 only of all', (t) => {
  t.is(wholePercent(0, 7), '0 %');
  t.is(wholePercent(1, 1000), 'under 1 %');
  t.is(wholePercent(5, 1000), '1 %');
  t.is(wholePercent(994, 1000), '99 %');
  t.is(wholePercent(999, 1000), 'over 99 %');
  t.is(wholePercent(7, 7), '100 %');
  t.is(wholePercent(0, 0), '0 %');
});

test('numbers in sentences are whole', (t) => {
  t.is(wholeNumber(1234.6), '1,235');
});

test('a mean is the nearest whole, and of nothing 0', (t) => {
  t.is(mean(5, 2), 3);
  t.is(mean(7, 3), 2);
  t.is(mean(0, 0), 0);
});

test('places are divided to the last one, by the largest remainders', (t) => {
  t.deepEqual(apportion([1, 1, 1], 50), [17, 17, 16]);
  t.deepEqual(apportion([999, 1, 0], 50), [50, 0, 0]);
  t.deepEqual(apportion([0, 0], 50), [0, 0]);
  for (const parts of [[3, 7, 11], [1e15, 2e15, 1], [5], [1, 1e9, 1e9, 1e9]]) {
    t.is(
      apportion(parts, 50).reduce((sum, places) => sum + places, 0),
      50,
    );
  }
});

test('seconds become whole nanoseconds', (t) => {
  t.is(secondsToNs(0.5), 500_000_000n);
  t.is(secondsToNs(1e-9), 1n);
  t.is(secondsToNs(0.1 + 0.2), 300_000_000n);
  t.is(secondsToNs(2_592_000), 2_592_000_000_000_000n);
});

test('wall time keeps every nanosecond', (t) => {
  t.is(isoTime(1_795_492_691_123_456_789n), '2026-11-24T03:58:11.123456789Z');
  t.is(isoTime(1_795_492_691_000_000_001n), '2026-11-24T03:58:11.000000001Z');
});

test.serial('a time stamp shows local time with microseconds, and UTC', (t) => {
  const before = process.env['TZ'];
  process.env['TZ'] = 'Asia/Kolkata';
  try {
    t.is(localTime('2026-11-24T20:58:01.003456789Z'), '2026-11-25T02:28:01.003456 (20:58:01 UTC)');
  } finally {
    process.env['TZ'] = before;
  }
});
