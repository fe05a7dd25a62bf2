/** One thread's numbers as the schema has them: in order, and without extremes of nothing. */
import type { Binding } from '../native/index.js';
import { percentiles, toHistogram } from './histogram.js';
import { compareText } from './order.js';
import type { LongPoll, RanInstead, Ready, Run, Syscall, Thread } from './types.js';

/** `syscalls`: those of the thread, as they are read. They are read anew each time: what is changed in them is not kept. */
export function toThread(raw: Binding.BindingThread, syscalls: () => Syscall[]): Thread {
  const { pid, tid, comm, exited, kernelOnly, stopped, faults, budget } = raw;
  return {
    pid,
    tid,
    comm,
    exited,
    kernelOnly,
    get syscalls() {
      return syscalls();
    },
    run: toRun(raw.run),
    ready: toReady(raw.ready),
    stopped: { ...toWaits(stopped), clippedNs: stopped.clippedNs },
    hardIrqs: raw.hardIrqs
      .map(({ name, irq, ...times }) => ({ name, irq, ...toWaits(times) }))
      .sort((a, b) => b.totalNs - a.totalNs || a.irq - b.irq || compareText(a.name, b.name)),
    softIrqs: raw.softIrqs.map(toIrq).sort(byTotalAndVector),
    localIrqs: raw.localIrqs.map(toIrq).sort(byTotalAndVector),
    longPoll: toLongPoll(raw.longPoll),
    ranInstead: toRanInstead(raw.ranInstead),
    wokenBy: raw.wokenBy.toSorted((a, b) => b.blockedNs - a.blockedNs),
    chains: raw.chains,
    faults,
    budget,
  };
}

function toRun({ count, totalNs, minNs, maxNs, clippedNs, histogram }: Binding.BindingRun): Run {
  const extremes = { minNs: extreme(count, minNs), maxNs: extreme(count, maxNs) };
  return { count, totalNs, ...extremes, clippedNs, ...spread(histogram, extremes) };
}

function toReady(raw: Binding.BindingReady): Ready {
  const times = toWaits(raw);
  return {
    ...times,
    clippedNs: raw.clippedNs,
    woken: toWaits(raw.woken),
    preempted: toWaits(raw.preempted),
    ...spread(raw.histogram, times),
  };
}

function toLongPoll({ count, totalNs, minNs, maxNs, histogram }: Binding.BindingLongPoll): LongPoll {
  const extremes = { minNs: extreme(count, minNs), maxNs: extreme(count, maxNs) };
  return { count, totalNs, ...extremes, ...spread(histogram, extremes) };
}

function toRanInstead(raw: Binding.BindingRanInstead): RanInstead {
  const { otherTasksNs, unattributedNs } = raw;
  return {
    tasks: raw.tasks.toSorted((a, b) => b.totalNs - a.totalNs),
    otherTasksNs,
    cpus: raw.cpus.toSorted((a, b) => b.totalNs - a.totalNs || a.cpu - b.cpu),
    shortNs: 0,
    unattributedNs,
  };
}

/** How durations spread out. */
function spread(
  counts: readonly number[] | null,
  extremes: { minNs?: number | null; maxNs: number | null },
): Pick<Run, 'percentiles' | 'histogram'> {
  const histogram = toHistogram(counts);
  return { percentiles: percentiles(histogram, extremes), histogram };
}

interface RawTimes {
  count: number;
  totalNs: number;
  maxNs: number | null;
}

function toWaits({ count, totalNs, maxNs }: RawTimes): {
  count: number;
  totalNs: number;
  maxNs: number | null;
} {
  return { count, totalNs, maxNs: extreme(count, maxNs) };
}

function toIrq({ name, vector, ...times }: Binding.BindingSoftIrq): Thread['softIrqs'][number] {
  return { name, vector, ...toWaits(times) };
}

/** Nothing counted: there is no shortest or longest, and 0 would look like one. */
function extreme(count: number, value: number | null): number | null {
  return count === 0 ? null : value;
}

function byTotalAndVector(
  a: { totalNs: number; vector: number },
  b: { totalNs: number; vector: number },
): number {
  return b.totalNs - a.totalNs || a.vector - b.vector;
}
