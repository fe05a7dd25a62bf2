/** From what the native module read to a sample of the report model: order, names of nothing, and times as the schema has them. */
import type { Binding } from '../native/index.js';
import { isoTime } from '../units.js';
import { type CapturedSample, RecordedEvents, type StackOf } from './events.js';
import { compareText } from './order.js';
import { toProcesses } from './processes.js';
import { finished, type Steps } from './steps.js';
import { ThreadCalls } from './thread-calls.js';
import { toThread } from './threads.js';
import type { Frame, Target, Thread, Upcall, WindowStart } from './types.js';
import type { Window } from './window.js';

export function toTarget({ pid, comm, exe, cmdline }: Binding.BindingTarget): Target {
  return { pid, comm, exe, cmdline };
}

export function toWindowStart({ wallNs, monotonicNs, trigger }: Binding.BindingWindowStart): WindowStart {
  return {
    wall: isoTime(wallNs),
    monotonicNs: String(monotonicNs),
    by: trigger === null ? 'time' : 'trigger',
    trigger,
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
      trigger,
    },
    windowNs: Number(monotonicNs - start.monotonicNs),
  };
}

/** Without a verdict. */
export function toSample(raw: Binding.BindingSample, index: number): CapturedSample {
  return finished(sampleSteps(raw, index));
}

/** The same in steps, as there may be tens of thousands of threads. */
export function* sampleSteps(raw: Binding.BindingSample, index: number): Steps<CapturedSample> {
  const threads = yield* takeThreads(raw.threads);
  return {
    index,
    ...toWindow(raw.window),
    startsInWindow: raw.startsInWindow,
    samplesSkipped: 0,
    callsLeft: 0,
    processes: toProcesses(threads, raw.targets),
    threads,
    criticalPath: raw.criticalPath,
    ...withStacks(raw),
    stackProblems: raw.stackProblems,
    stealNs: raw.stealNs,
    upcalls: toUpcalls(raw.upcalls),
    verdict: null,
    losses: raw.losses,
  };
}

function toUpcalls(raw: Binding.BindingUpcall[] | null): Upcall[] | null {
  if (raw === null) return null;
  return raw.toSorted((a, b) => a.cpu - b.cpu || b.result - a.result);
}

/** What has the same stack shares it: there may be many of them. */
function withStacks(sample: Binding.BindingSample): Pick<CapturedSample, 'syscallEvents' | 'offCpu'> {
  const stacks: Frame[][] = sample.stacks;
  const stack: StackOf = (index) => (index === null ? [] : (stacks[index] ?? []));
  const syscallEvents = new RecordedEvents(sample.calls, stack);
  const offCpu = sample.offCpu.map((raw) => ({
    ...raw,
    kernelStack: stack(raw.kernelStack),
    userStack: stack(raw.userStack),
  }));
  offCpu.sort((a, b) => b.totalNs - a.totalNs || b.count - a.count || a.tid - b.tid);
  return { syscallEvents, offCpu };
}

/** How many at once. */
const someThreads = 32;

function* takeThreads(native: Binding.BindingThreads): Steps<Thread[]> {
  const calls = new ThreadCalls(native);
  const numbered: { number: number; thread: Thread }[] = [];
  while (numbered.length < native.length) {
    for (const raw of native.take(someThreads)) {
      const number = numbered.length;
      numbered.push({ number, thread: toThread(raw, () => calls.of(number)) });
    }
    yield;
  }
  numbered.sort((a, b) => compareText(a.thread.comm, b.thread.comm) || a.thread.tid - b.thread.tid);
  calls.arrange(numbered.map(({ number }) => number));
  return numbered.map(({ thread }) => thread);
}
