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
  // In loops and without functions of its own, as above.
  let count = 0;
  for (const bucket of histogram) count += bucket.count;
  const least = minNs ?? 0;
  return {
    p50Ns: Math.max(least, percentile(histogram, Math.ceil(0.5 * count), maxNs)),
    p90Ns: Math.max(least, percentile(histogram, Math.ceil(0.9 * count), maxNs)),
    p99Ns: Math.max(least, percentile(histogram, Math.ceil(0.99 * count), maxNs)),
  };
}

/** The duration of this rank, counted from 1, shortest first, as far as its bucket tells. */
function percentile(histogram: readonly HistogramBucket[], rank: number, maxNs: number | null): number {
  let before = 0;
  for (const bucket of histogram) {
    before += bucket.count;
    // It may be beyond what was measured, and then that is nearer to the truth.
    if (before >= rank) return Math.min(maxNs ?? Number.POSITIVE_INFINITY, middleOf(bucket, maxNs));
  }
  return 0;
}

function middleOf({ fromNs, toNs }: HistogramBucket, maxNs: number | null): number {
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
