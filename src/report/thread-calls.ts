/** The system calls of a sample's threads. There may be a million: they stay in native memory, and become objects as they are read. */
import type { Binding } from '../native/index.js';
import { percentiles, toHistogram } from './histogram.js';
import { compareText } from './order.js';
import type { Syscall } from './types.js';

/** Whose become objects at once where threads are read one after the other: crossing over to native code for each would take longer. */
const mostThreads = 8;

export class ThreadCalls {
  readonly #threads: Binding.BindingThreads;
  /** The numbers that native code has for the threads, in the report's order. */
  #order: readonly number[] = [];
  /** Where in this order each number is. */
  readonly #places: Uint32Array;
  #from = 0;
  #chunk: Syscall[][] = [];

  constructor(threads: Binding.BindingThreads) {
    this.#threads = threads;
    this.#places = new Uint32Array(threads.length);
  }

  /** From now on that is the order in which they are likely to be read. */
  arrange(order: readonly number[]): void {
    this.#order = order;
    for (const [place, number] of order.entries()) this.#places[number] = place;
    this.#chunk = [];
    this.#from = 0;
  }

  /** Those of the thread that has this number in native code, the longest first. */
  of(number: number): Syscall[] {
    const place = this.#places[number] ?? 0;
    const chunkEnd = this.#from + this.#chunk.length;
    if (place < this.#from || place >= chunkEnd) {
      // Whoever looks at one here and one there does not pay for their neighbours.
      const length = place === chunkEnd ? Math.min(mostThreads, 2 * this.#chunk.length + 1) : 1;
      this.#chunk = toSyscalls(this.#threads.syscalls(this.#order.slice(place, place + length)));
      this.#from = place;
    }
    return this.#chunk[place - this.#from] ?? [];
  }
}

/** Of each thread. */
export function toSyscalls(columns: Binding.BindingSyscalls): Syscall[][] {
  const toRow = rowsOf(columns);
  let row = 0;
  return Array.from(columns.rows, (length) => {
    const calls = Array.from({ length }, () => toRow(row++));
    return calls.sort(byTotal);
  });
}

/** They must be asked for one after the other. */
function rowsOf(columns: Binding.BindingSyscalls): (row: number) => Syscall {
  const { names, name, count, histogramLength, histograms, refusals } = columns;
  const refused = new Map(refusals.map((refusal) => [refusal.row, refusal]));
  let histogramEnd = 0;
  return (row) => {
    const called = names[name[row] ?? 0] ?? unknown;
    const whole = count[row] ?? 0;
    // Nothing counted: there is no longest, and 0 would look like one.
    const maxNs = whole === 0 ? null : (columns.maxNs[row] ?? 0);
    const refusal = refused.get(row);
    const length = histogramLength[row] ?? 0;
    const from = histogramEnd;
    histogramEnd += Math.max(0, length);
    const histogram = toHistogram(length < 0 ? null : histograms, from, histogramEnd);
    return {
      name: called.name,
      number: called.number,
      abi: called.abi,
      count: whole,
      totalNs: columns.totalNs[row] ?? 0,
      maxNs,
      inFlightNs: columns.inFlightNs[row] ?? 0,
      readyNs: columns.readyNs[row] ?? 0,
      blockedNs: columns.blockedNs[row] ?? 0,
      stoppedNs: columns.stoppedNs[row] ?? 0,
      refused: refusal?.count ?? 0,
      refusedErrno: refusal?.errno ?? null,
      percentiles: percentiles(histogram, { maxNs }),
      histogram,
    };
  };
}

/** Cannot be: the columns are as long as each other. */
const unknown: Binding.BindingCallName = { name: 'invalid', number: 0, abi: 'native' };

function byTotal(a: Syscall, b: Syscall): number {
  return (
    b.totalNs - a.totalNs || b.inFlightNs - a.inFlightNs || a.number - b.number || compareText(a.abi, b.abi)
  );
}
