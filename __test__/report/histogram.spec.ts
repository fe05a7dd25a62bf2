import test from 'ava';
import { byPowersOfTwo, percentiles, toHistogram } from '../../src/report/histogram.js';
import { rawHistogram } from '../helpers/raw.js';

test('a histogram lists non-empty buckets; the first takes 0, the last has no end', (t) => {
  t.deepEqual(toHistogram(rawHistogram({ 0: 2, 1: 3, 4: 1, 127: 4 })), [
    { fromNs: 0, toNs: 40, count: 2 },
    { fromNs: 40, toNs: 48, count: 3 },
    { fromNs: 64, toNs: 80, count: 1 },
    { fromNs: 2 ** 36 + 3 * 2 ** 34, toNs: null, count: 4 },
  ]);
});

test('each bucket begins where the one before ends', (t) => {
  const every = toHistogram(Array.from({ length: 128 }, (_, bucket) => [bucket, 1]).flat()) ?? [];
  t.is(every.length, 128);
  for (const [index, bucket] of every.entries()) {
    if (index > 0) t.is(every[index - 1]?.toNs, bucket.fromNs);
  }
});

test('an empty histogram is empty, an unknown one null, and neither has percentiles', (t) => {
  t.deepEqual(toHistogram([]), []);
  t.is(toHistogram(null), null);
  t.is(percentiles([], { maxNs: 7 }), null);
  t.is(percentiles(null, { maxNs: 7 }), null);
});

test('a lone duration is every percentile, and exact where the extremes are known', (t) => {
  const histogram = toHistogram(rawHistogram({ 40: 1 }));
  const exact = { p50Ns: 33_000, p90Ns: 33_000, p99Ns: 33_000 };
  t.deepEqual(percentiles(histogram, { minNs: 33_000, maxNs: 33_000 }), exact);
});

test('percentiles of what is longer than all buckets are the longest, or where the last bucket begins', (t) => {
  const histogram = toHistogram(rawHistogram({ 127: 1 }));
  t.is(percentiles(histogram, { maxNs: 3e11 })?.p50Ns, 3e11);
  t.is(percentiles(histogram, {})?.p50Ns, 2 ** 36 + 3 * 2 ** 34);
});

/** The same numbers each time, from 0 to 1. */
function* randoms(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** As the kernel side finds it. */
function bucketOf(ns: number): number {
  if (ns < 32) return 0;
  const octave = Math.floor(Math.log2(ns));
  return (octave - 5) * 4 + (Math.floor(ns / 2 ** (octave - 2)) & 3);
}

test('percentiles are at most an eighth off, whatever the durations, and within the extremes', (t) => {
  const random = randoms(1);
  const next = () => random.next().value;
  for (let round = 0; round < 2000; round++) {
    const length = 1 + Math.floor(next() * 200);
    const spread = 1 + next() * 30;
    // From 40 ns on: what is shorter shares the first bucket.
    const durations = Array.from({ length }, () => Math.floor(40 * 2 ** (next() * spread))).sort(
      (a, b) => a - b,
    );
    const counts: Record<number, number> = {};
    for (const ns of durations) {
      const bucket = bucketOf(ns);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    const extremes = { minNs: durations[0] ?? 0, maxNs: durations.at(-1) ?? 0 };
    for (const known of [extremes, { maxNs: extremes.maxNs }, {}]) {
      const found = percentiles(toHistogram(rawHistogram(counts)), known);
      if (found === null) return t.fail();
      for (const [key, share] of [
        ['p50Ns', 50],
        ['p90Ns', 90],
        ['p99Ns', 99],
      ] as const) {
        const exact = durations[Math.ceil((share / 100) * length) - 1] ?? Number.NaN;
        const off = Math.abs(found[key] - exact) / exact;
        if (off > 0.125) t.fail(`${key} of ${length}: ${found[key]}, not ${exact}`);
        if (!Number.isInteger(found[key])) t.fail(`${key}: ${found[key]}`);
      }
      t.true(found.p50Ns <= found.p90Ns && found.p90Ns <= found.p99Ns);
      t.true(found.p99Ns <= (known.maxNs ?? Number.POSITIVE_INFINITY));
    }
  }
});

test('powers of two hold what their buckets held, and the last has no end', (t) => {
  t.deepEqual(
    byPowersOfTwo(toHistogram(rawHistogram({ 0: 1, 2: 2, 3: 3, 4: 4, 11: 5, 124: 6, 127: 7 })) ?? []),
    [
      { fromNs: 0, toNs: 64, count: 6 },
      { fromNs: 64, toNs: 128, count: 4 },
      { fromNs: 128, toNs: 256, count: 5 },
      { fromNs: 2 ** 36, toNs: null, count: 13 },
    ],
  );
  t.deepEqual(byPowersOfTwo(toHistogram(rawHistogram({ 1: 1 })) ?? []), [{ fromNs: 32, toNs: 64, count: 1 }]);
});
