/** From what the native module read to a sample of the report model: order, names of nothing, and times as the schema has them. */
import type { Binding } from '../native/index.js';
import { isoTime } from '../units.js';
import { type CapturedSample, RecordedEvents, type StackOf } from './events.js';
import { compareText } from './order.js';
import { toProcesses } from './processes.js';
import { toThread } from './threads.js';
import type { Frame, Target, Thread, TriggeringThread, Upcall, WindowStart } from './types.js';
import type { Window } from './window.js';

export function toTarget({ pid, comm, exe, cmdline }: Binding.BindingTarget): Target {
  return { pid, comm, exe: exe ?? null, cmdline: cmdline ?? null };
}

export function toWindowStart({ wallNs, monotonicNs, trigger }: Binding.BindingWindowStart): WindowStart {
  return {
    wall: isoTime(wallNs),
    monotonicNs: String(monotonicNs),
    by: trigger == null ? 'time' : 'trigger',
    trigger: toTriggeringThread(trigger),
  };
}

export function toWindow({ start, stop }: Binding.BindingWindow): Window {
  const { wallNs, monotonicNs, by, trigger } = stop;
  return {
    start: toWindowStart(start),
    stop: {
      wall: isoTime(wallNs),
      monotonicNs: String(monotonicNs),
      by,
      trigger: toTriggeringThread(trigger),
    },
    windowNs: Number(monotonicNs - start.monotonicNs),
  };
}

function toTriggeringThread(
  thread: Binding.BindingTriggeringThread | null | undefined,
): TriggeringThread | null {
  return thread == null ? null : { ...thread };
}

/** Without a verdict. */
export function toSample(raw: Binding.BindingSample, index: number): CapturedSample {
  const threads = raw.threads.map(toThread).sort(byName);
  return {
    index,
    ...toWindow(raw.window),
    startsInWindow: raw.startsInWindow,
    samplesSkipped: 0,
    processes: toProcesses(threads, raw.targets),
    threads,
    ...withStacks(raw),
    stackProblems: raw.stackProblems,
    stealNs: raw.stealNs ?? null,
    upcalls: toUpcalls(raw.upcalls),
    verdict: null,
    losses: { ...raw.losses, recursionMisses: raw.losses.recursionMisses ?? null },
  };
}

function toUpcalls(raw: Binding.BindingUpcall[] | null | undefined): Upcall[] | null {
  if (raw == null) return null;
  return raw
    .map(({ cpu, result, errno, count }) => ({ cpu, result, errno: errno ?? null, count }))
    .sort((a, b) => a.cpu - b.cpu || b.result - a.result);
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

function byName(a: Thread, b: Thread): number {
  return compareText(a.comm, b.comm) || a.tid - b.tid;
}
