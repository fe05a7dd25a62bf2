/** From slices that were timed by a clock of instructions to the instructions of an operation. */
import type { Slice } from '../load.js';

/** Below that the median batch is one of many kinds, and which kind it is would be chance. */
const leastAlike = 0.5;

/** Of the slices in which most batches took exactly as many, the least. Throws if there is none. */
export function instructions(what: string, slices: readonly Pick<Slice, 'medianNs' | 'atMedian'>[]): number {
  const undisturbed = slices.filter(({ atMedian }) => atMedian >= leastAlike);
  if (undisturbed.length === 0)
    throw new Error(`${what}: in no slice did most batches take the same number of instructions`);
  return Math.min(...undisturbed.map(({ medianNs }) => medianNs));
}

/** What a tracer adds. The instructions by which a batch reads the clock are in both, and fall out. */
export function difference(withTracer: number, without: number): number {
  // Numbers of instructions, divided by those of operations: no more digits than these have.
  return Math.round((withTracer - without) * 1000) / 1000;
}
