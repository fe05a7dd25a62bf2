/** One thread's numbers as the schema has them: in order, and without extremes of nothing. */
import type { Binding } from '../native/index.js';
import { percentiles, toHistogram } from './histogram.js';
import { compareText } from './order.js';
import type { LongPoll, RanInstead, Ready, Run, Syscall, Thread } from './types.js';

export function toThread(raw: Binding.BindingThread): Thread {
  const { pid, tid, comm, exited, kernelOnly, stopped, faults, budget } = raw;
  return {
    pid,
    tid,
    comm,
    exited,
    kernelOnly,
    syscalls: raw.syscalls.map(toSyscall).sort(byTotal),
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
    faults,
    budget,
  };
}

function toSyscall(raw: Binding.BindingSyscall): Syscall {
  const { name, number, abi, inFlightNs, readyNs, blockedNs, stoppedNs, refused, refusedErrno } = raw;
  const times = toWaits(raw);
  return {
    name,
    number,
    abi,
    ...times,
    inFlightNs,
    readyNs,
    blockedNs,
    stoppedNs,
    refused,
    refusedErrno,
    ...spread(raw.histogram, times),
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
  const { otherTasksNs, shortNs, unattributedNs } = raw;
  return {
    tasks: raw.tasks.toSorted((a, b) => b.totalNs - a.totalNs),
    otherTasksNs,
    cpus: raw.cpus.toSorted((a, b) => b.totalNs - a.totalNs || a.cpu - b.cpu),
    shortNs,
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

function byTotal(a: Syscall, b: Syscall): number {
  return (
    b.totalNs - a.totalNs || b.inFlightNs - a.inFlightNs || a.number - b.number || compareText(a.abi, b.abi)
  );
}

function byTotalAndVector(
  a: { totalNs: number; vector: number },
  b: { totalNs: number; vector: number },
): number {
  return b.totalNs - a.totalNs || a.vector - b.vector;
}
