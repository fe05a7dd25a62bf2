/** From what the native module read to the report model: order, histogram buckets, and times as the schema has them. */
import os from 'node:os';
import { effectiveOptions } from '../effective-options.js';
import type { Binding } from '../native/index.js';
import { version } from '../package.js';
import { isoTime } from '../units.js';
import { type CapturedReport, type CapturedSample, RecordedEvents, type StackOf } from './events.js';
import type {
  Frame,
  Header,
  HistogramBucket,
  Host,
  Options,
  Syscall,
  Target,
  Thread,
  TriggeringThread,
  WindowStart,
} from './types.js';
import type { Window } from './window.js';

/** A whole report of samples taken with a CaptureSession, as the formats take it. `options` are those that were used. */
export function buildReport(
  targets: readonly Target[],
  samples: readonly CapturedSample[],
  options: Partial<Options> = {},
): CapturedReport {
  const defaults = effectiveOptions(
    { pid: targets.map(({ pid }) => pid), sampleCount: Math.max(1, samples.length) },
    null,
  );
  return {
    ...buildHeader(targets, { ...defaults, ...options }),
    targets: [...targets],
    samples: [...samples],
  };
}

export function buildHeader(targets: readonly Target[], options: Options, host = thisHost()): Header {
  return { schema: 'kdelay/1', version, host, targets: targets.map(toTarget), options };
}

function thisHost(): Host {
  return { hostname: os.hostname(), kernel: os.release(), arch: os.machine(), cpus: os.cpus().length };
}

export function toTarget({ pid, comm, exe, cmdline }: Binding.BindingTarget): Target {
  return { pid, comm, exe: exe ?? null, cmdline: cmdline ?? null };
}

export function toWindowStart({ wallNs, monotonicNs, trigger }: Binding.BindingWindowStart): WindowStart {
  return {
    wall: isoTime(wallNs),
    monotonicNs: String(monotonicNs),
    by: trigger == null ? 'time' : 'trigger',
    trigger: toThread(trigger),
  };
}

export function toWindow({ start, stop }: Binding.BindingWindow): Window {
  const { wallNs, monotonicNs, by, trigger } = stop;
  return {
    start: toWindowStart(start),
    stop: { wall: isoTime(wallNs), monotonicNs: String(monotonicNs), by, trigger: toThread(trigger) },
    windowNs: Number(monotonicNs - start.monotonicNs),
  };
}

function toThread(thread: Binding.BindingTriggeringThread | null | undefined): TriggeringThread | null {
  return thread == null ? null : { ...thread };
}

export function toSample(raw: Binding.BindingSample, index: number): CapturedSample {
  return {
    index,
    ...toWindow(raw.window),
    startsInWindow: raw.startsInWindow,
    samplesSkipped: 0,
    threads: raw.threads.map(toThreadStatistics).sort(byName),
    ...withStacks(raw),
    stackProblems: raw.stackProblems,
    losses: { ...raw.losses, recursionMisses: raw.losses.recursionMisses ?? null },
  };
}

/** What has the same stack shares it: there may be many of them. */
function withStacks(sample: Binding.BindingSample): Pick<CapturedSample, 'syscallEvents' | 'offCpu'> {
  const stacks = sample.stacks.map((frames) => frames.map(toFrame));
  const stack: StackOf = (index) => (index == null ? [] : (stacks[index] ?? []));
  const syscallEvents = new RecordedEvents(sample.calls, stack);
  const offCpu = sample.offCpu.map((raw) => ({
    ...raw,
    kernelStack: stack(raw.kernelStack),
    userStack: stack(raw.userStack),
    userStackEnd: raw.userStackEnd ?? null,
  }));
  offCpu.sort((a, b) => b.totalNs - a.totalNs || b.count - a.count || a.tid - b.tid);
  return { syscallEvents, offCpu };
}

function toFrame(raw: Binding.BindingFrame): Frame {
  return {
    address: raw.address,
    symbol: raw.symbol ?? null,
    offset: raw.offset ?? null,
    module: raw.module ?? null,
    moduleAddress: raw.moduleAddress ?? null,
    buildId: raw.buildId ?? null,
    file: raw.file ?? null,
    line: raw.line ?? null,
    inlined: raw.inlined,
  };
}

function toThreadStatistics(raw: Binding.BindingThread): Thread {
  const { pid, tid, comm, exited, run, ready, stopped, budget } = raw;
  return {
    pid,
    tid,
    comm,
    exited,
    syscalls: raw.syscalls.map(toSyscall).sort(byTotal),
    run: {
      count: run.count,
      totalNs: run.totalNs,
      minNs: extreme(run.count, run.minNs),
      maxNs: extreme(run.count, run.maxNs),
      clippedNs: run.clippedNs,
      histogram: toHistogram(run.histogram),
    },
    ready: {
      ...toWaits(ready),
      clippedNs: ready.clippedNs,
      woken: toWaits(ready.woken),
      preempted: toWaits(ready.preempted),
      histogram: toHistogram(ready.histogram),
    },
    stopped: { ...toWaits(stopped), clippedNs: stopped.clippedNs },
    hardIrqs: raw.hardIrqs
      .map(({ name, irq, ...times }) => ({ name, irq, ...toWaits(times) }))
      .sort((a, b) => b.totalNs - a.totalNs || a.irq - b.irq || compareText(a.name, b.name)),
    softIrqs: raw.softIrqs
      .map(({ name, vector, ...times }) => ({ name, vector, ...toWaits(times) }))
      .sort((a, b) => b.totalNs - a.totalNs || a.vector - b.vector),
    budget: { ...budget },
  };
}

function toSyscall(raw: Binding.BindingSyscall): Syscall {
  const { name, number, abi, inFlightNs, histogram } = raw;
  return { name, number, abi, ...toWaits(raw), inFlightNs, histogram: toHistogram(histogram) };
}

interface RawTimes {
  count: number;
  totalNs: number;
  maxNs?: number | null | undefined;
}

function toWaits({ count, totalNs, maxNs }: RawTimes): {
  count: number;
  totalNs: number;
  maxNs: number | null;
} {
  return { count, totalNs, maxNs: extreme(count, maxNs) };
}

/** Nothing counted: there is no shortest or longest, and 0 would look like one. */
function extreme(count: number, value: number | null | undefined): number | null {
  return count === 0 ? null : (value ?? null);
}

/** Bucket i holds [2^i, 2^(i+1)) ns; the first also 0, the last everything above. */
export function toHistogram(counts: readonly number[] | null | undefined): HistogramBucket[] | null {
  if (counts == null) return null;
  return counts.flatMap((count, index) => {
    if (count === 0) return [];
    const last = index === counts.length - 1;
    return [{ fromNs: index === 0 ? 0 : 2 ** index, toNs: last ? null : 2 ** (index + 1), count }];
  });
}

function byName(a: Thread, b: Thread): number {
  return compareText(a.comm, b.comm) || a.tid - b.tid;
}

function byTotal(a: Syscall, b: Syscall): number {
  return (
    b.totalNs - a.totalNs || b.inFlightNs - a.inFlightNs || a.number - b.number || compareText(a.abi, b.abi)
  );
}

/** By code unit, so that the order does not depend on the reader's locale. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
