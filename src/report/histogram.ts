/** Durations by size: buckets as the schema has them, and what follows from these. */
import { histogramBoundsNs } from '../constants.js';
import type { HistogramBucket, Percentiles } from './types.js';

const bounds: readonly number[] = histogramBoundsNs;
const [leastNs] = histogramBoundsNs;

/** `pairs`: the number of each bucket that is not empty, and its count; of these, from one index to another. */
export function toHistogram(
  pairs: ArrayLike<number> | null,
  from = 0,
  to = pairs?.length ?? 0,
): HistogramBucket[] | null {
  if (pairs === null) return null;
  // In a loop, as there is one for each call of each thread.
  const buckets: HistogramBucket[] = [];
  for (let at = from; at < to; at += 2) {
    const index = pairs[at] ?? 0;
    const count = pairs[at + 1] ?? 0;
    const fromNs = index === 0 ? 0 : (bounds[index] ?? 0);
    buckets.push({ fromNs, toNs: bounds[index + 1] ?? null, count });
  }
  return buckets;
}

/** Null: nothing is known of the durations, or there are none. */
export function percentiles(
  histogram: readonly HistogramBucket[] | null,
  { minNs = null, maxNs = null }: { minNs?: number | null; maxNs?: number | null },
): Percentiles | null {
  if (histogram === null || histogram.length === 0) return null;
  const count = histogram.reduce((sum, bucket) => sum + bucket.count, 0);
  const percentile = (share: number): number => {
    const middle = middleOf(bucketOf(histogram, Math.ceil((share / 100) * count)), maxNs);
    // It may be beyond what was measured, and then that is nearer to the truth.
    return Math.max(minNs ?? 0, Math.min(maxNs ?? Number.POSITIVE_INFINITY, middle));
  };
  return { p50Ns: percentile(50), p90Ns: percentile(90), p99Ns: percentile(99) };
}

/** The one that holds the duration of this rank, counted from 1, shortest first. */
function bucketOf(histogram: readonly HistogramBucket[], rank: number): HistogramBucket | undefined {
  let before = 0;
  return histogram.find((bucket) => {
    before += bucket.count;
    return before >= rank;
  });
}

function middleOf(bucket: HistogramBucket | undefined, maxNs: number | null): number {
  if (bucket === undefined) return 0;
  const { fromNs, toNs } = bucket;
  // Without an end there is no middle, but the longest is in it.
  return toNs === null ? (maxNs ?? fromNs) : Math.floor((fromNs + toNs) / 2);
}

/** The same counts with a bucket for each power of two: fewer lines to print. */
export function byPowersOfTwo(histogram: readonly HistogramBucket[]): HistogramBucket[] {
  const merged: HistogramBucket[] = [];
  for (const { fromNs, toNs, count } of histogram) {
    const from = fromNs === 0 ? 0 : powerBelow(fromNs);
    const before = merged.at(-1);
    // What begins where the first bucket's bound is belongs to that one, which holds what is shorter, too.
    const isSame =
      before !== undefined && (before.fromNs === from || (before.fromNs === 0 && from === leastNs));
    if (isSame) {
      before.count += count;
      before.toNs = toNs === null ? null : before.toNs;
      continue;
    }
    merged.push({ fromNs: from, toNs: toNs === null ? null : 2 * (from || leastNs), count });
  }
  return merged;
}

const powerBelow = (ns: number): number => 2 ** Math.floor(Math.log2(ns));
