/** How often durations of each size occurred, as bars: one for each power of two, or there would be too many. */
import { escapeText } from '../../escape.js';
import { byPowersOfTwo } from '../../report/histogram.js';
import { callName } from '../../report/syscalls.js';
import type { HistogramBucket, Syscall } from '../../report/types.js';
import { thousands } from '../../units.js';
import { extreme, left, right } from './columns.js';
import { tableLines } from './table.js';

const columns = [right('FROM ns', 18), right('BELOW ns', 18), right('COUNT', 14), left('', 40)];

const longestBar = 40;

/** A table of its own, to stand below that of the statistics; nothing of nothing. */
export function histogramLines(histogram: readonly HistogramBucket[] | null): string[] {
  if (histogram === null || histogram.length === 0) return [];
  const buckets = byPowersOfTwo(histogram);
  const most = Math.max(...buckets.map(({ count }) => count));
  return tableLines(
    columns,
    buckets.map(({ fromNs, toNs, count }) => [
      thousands(fromNs),
      extreme(toNs),
      thousands(count),
      // Where there is anything, there is something to see.
      '#'.repeat(Math.ceil((count / most) * longestBar)),
    ]),
  );
}

/** Of each call, below its name. */
export function syscallHistogramLines(syscalls: readonly Syscall[]): string[] {
  return syscalls.flatMap((call) => {
    const lines = histogramLines(call.histogram);
    return lines.length === 0 ? [] : [`${escapeText(callName(call))}:`, ...lines];
  });
}
