/** Builders of what the native module returns. */
import type { Binding } from '../../src/native/index.js';

export const startMonotonicNs = 9_007_199_254_740_993_123n;
export const startWallNs = 1_795_492_691_123_456_789n;

export function rawTarget(pid: number, comm: string): Binding.BindingTarget {
  return { pid, comm, exe: `/usr/bin/${comm}`, cmdline: [`/usr/bin/${comm}`, '--serve'] };
}

/** A system call of a thread, which native code has in columns. */
export interface RawSyscall extends Binding.BindingCallName {
  count: number;
  totalNs: number;
  maxNs: number;
  inFlightNs: number;
  readyNs: number;
  blockedNs: number;
  stoppedNs: number;
  refused: number;
  refusedErrno: string | null;
  histogram: number[] | null;
}

/** With its calls. */
export type RawThread = Binding.BindingThread & { syscalls: RawSyscall[] };

/** As if its threads had been taken out of native memory. */
export type RawSample = Omit<Binding.BindingSample, 'threads'> & { threads: RawThread[] };

export function rawThread(over: Partial<RawThread> = {}): RawThread {
  return {
    pid: 100,
    tid: 100,
    comm: 'main',
    exited: false,
    kernelOnly: false,
    syscalls: [],
    run: { count: 0, totalNs: 0, minNs: null, maxNs: null, clippedNs: 0, histogram: null },
    ready: {
      count: 0,
      totalNs: 0,
      maxNs: null,
      clippedNs: 0,
      woken: { count: 0, totalNs: 0, maxNs: null },
      preempted: { count: 0, totalNs: 0, maxNs: null },
      histogram: null,
    },
    stopped: { count: 0, totalNs: 0, maxNs: null, clippedNs: 0 },
    hardIrqs: [],
    softIrqs: [],
    localIrqs: [],
    longPoll: { count: 0, totalNs: 0, minNs: null, maxNs: null, histogram: null },
    ranInstead: { tasks: [], otherTasksNs: 0, cpus: [], unattributedNs: 0 },
    wokenBy: [],
    chains: null,
    faults: { minor: null, major: null, blockedNs: 0 },
    budget: { ...emptyBudget, wallNs: 500_000_000, unknownNs: 500_000_000 },
    ...over,
  };
}

export function rawChain(
  what: Binding.BindingChain['what'],
  totalNs: number,
  over: Partial<Binding.BindingChain> = {},
): Binding.BindingChain {
  return {
    what,
    call: null,
    pid: 0,
    tid: 0,
    name: '',
    by: null,
    byCall: null,
    count: 1,
    totalNs,
    below: [],
    ...over,
  };
}

/** Of these buckets. */
export function rawHistogram(counts: Readonly<Record<number, number>>): number[] {
  return Object.entries(counts).flatMap(([bucket, count]) => [Number(bucket), count]);
}

export const emptyBudget: Binding.BindingBudget = {
  wallNs: 0,
  userNs: 0,
  kernelNs: 0,
  kernelOutsideCallsNs: 0,
  readyWokenNs: 0,
  readyPreemptedNs: 0,
  blockedNs: 0,
  stoppedNs: 0,
  frozenNs: 0,
  hardIrqNs: 0,
  softIrqNs: 0,
  unknownNs: 0,
};

export function rawSyscall(name: string, number: number, over: Partial<RawSyscall> = {}): RawSyscall {
  return {
    name,
    number,
    abi: 'native',
    count: 1,
    totalNs: 1000,
    maxNs: 1000,
    inFlightNs: 0,
    readyNs: 0,
    blockedNs: 0,
    stoppedNs: 0,
    refused: 0,
    refusedErrno: null,
    histogram: null,
    ...over,
  };
}

export function rawEvent(over: Partial<Binding.BindingSyscallEvent> = {}): Binding.BindingSyscallEvent {
  return {
    entryNs: startMonotonicNs + 1_000_000n,
    exitNs: startMonotonicNs + 1_095_715n,
    durationNs: 95_715,
    pid: 100,
    tid: 101,
    comm: 'revalidator14',
    name: 'futex',
    number: 202,
    abi: 'native',
    arguments: ['0x7ffc0010', '0x80', '0x2', '0x0', '0x0', '0x0'],
    result: '0',
    errno: null,
    wait: null,
    kernelStack: null,
    userStack: null,
    userStackEnd: null,
    ...over,
  };
}

export function rawFrame(
  symbol: string | null,
  over: Partial<Binding.BindingFrame> = {},
): Binding.BindingFrame {
  return {
    address: '0x7f0012345678',
    symbol,
    offset: symbol === null ? null : 0x30,
    module: '/usr/lib/libc.so.6',
    moduleAddress: '0x45678',
    buildId: 'c0ffee',
    file: null,
    line: null,
    inlined: false,
    ...over,
  };
}

export function rawOffCpu(over: Partial<Binding.BindingOffCpu> = {}): Binding.BindingOffCpu {
  return {
    pid: 100,
    tid: 101,
    comm: 'worker',
    count: 1,
    totalNs: 1000,
    maxNs: 1000,
    kernelStack: null,
    userStack: null,
    userStackEnd: null,
    ...over,
  };
}

export const noRawLosses: Binding.BindingLosses = {
  eventsDropped: 0,
  eventsOverLimit: 0,
  threadsUntracked: 0,
  syscallsUntracked: 0,
  stacksLost: 0,
  stacksTruncated: 0,
  framesUnresolved: 0,
  triggersMissed: 0,
  recursionMisses: 0,
  negativeIntervals: 0,
  switchesMissed: 0,
  recorderOverwritten: 0,
};

/** A window of half a second. */
export function rawWindow(
  stop: Partial<Binding.BindingWindowStop> = {},
  start: Partial<Binding.BindingWindowStart> = {},
): Binding.BindingWindow {
  return {
    start: { monotonicNs: startMonotonicNs, wallNs: startWallNs, trigger: null, ...start },
    stop: {
      monotonicNs: startMonotonicNs + 500_000_000n,
      wallNs: startWallNs + 500_000_000n,
      by: 'time',
      trigger: null,
      ...stop,
    },
  };
}

/** Described ones, as if they were taken out of native memory. */
export function rawCalls(events: Binding.BindingSyscallEvent[]): Binding.BindingCalls {
  return { length: events.length, slice: (from, to) => events.slice(from, to) } as Binding.BindingCalls;
}

/** Threads as native code hands them over, and their calls. */
export function rawThreads(threads: RawThread[]): Binding.BindingThreads {
  let taken = 0;
  return {
    length: threads.length,
    take(most) {
      const next = threads.slice(taken, taken + most);
      taken += next.length;
      return next.map(({ syscalls: _, ...numbers }) => numbers);
    },
    syscalls: (numbers) => rawSyscalls(numbers.map((number) => threads[number]?.syscalls ?? [])),
  } as Binding.BindingThreads;
}

function rawSyscalls(threads: RawSyscall[][]): Binding.BindingSyscalls {
  const rows = threads.flat();
  const column = (number: (call: RawSyscall) => number) => Float64Array.from(rows, number);
  return {
    rows: Uint32Array.from(threads, ({ length }) => length),
    names: rows.map(({ name, number, abi }) => ({ name, number, abi })),
    name: Uint32Array.from(rows.keys()),
    count: column(({ count }) => count),
    totalNs: column(({ totalNs }) => totalNs),
    maxNs: column(({ maxNs }) => maxNs),
    inFlightNs: column(({ inFlightNs }) => inFlightNs),
    readyNs: column(({ readyNs }) => readyNs),
    blockedNs: column(({ blockedNs }) => blockedNs),
    stoppedNs: column(({ stoppedNs }) => stoppedNs),
    refusals: [...rows.entries()].flatMap(([row, { refused, refusedErrno }]) =>
      refused > 0 ? [{ row, count: refused, errno: refusedErrno }] : [],
    ),
    histogramLength: Int32Array.from(rows, ({ histogram }) => histogram?.length ?? -1),
    histograms: Uint32Array.from(rows.flatMap(({ histogram }) => histogram ?? [])),
  };
}

export function rawSample({
  threads = [rawThread()],
  ...over
}: Partial<RawSample> = {}): Binding.BindingSample {
  return {
    window: rawWindow(),
    startsInWindow: 0,
    targets: [rawTarget(100, 'main')],
    threads: rawThreads(threads),
    criticalPath: null,
    calls: rawCalls([]),
    offCpu: [],
    stacks: [],
    stackProblems: [],
    losses: noRawLosses,
    stealNs: null,
    upcalls: null,
    ...over,
  };
}

/** A thread with something in every section; its budget adds up. */
export function busyThread(over: Partial<RawThread> = {}): RawThread {
  return rawThread({
    tid: 1_457_761,
    comm: 'handler24',
    syscalls: [
      rawSyscall('poll', 7, { count: 4068, totalNs: 1_202_883, maxNs: 2907, inFlightNs: 12_345 }),
      rawSyscall('sendmsg', 46, {
        count: 6110,
        totalNs: 123_274_761,
        maxNs: 41_776,
        readyNs: 20_000,
        blockedNs: 10_000_000,
        histogram: rawHistogram({ 36: 6000, 41: 110 }),
      }),
      rawSyscall('read', 3, { abi: 'ia32', count: 2, totalNs: 700, maxNs: 400 }),
      rawSyscall('futex', 202, {
        count: 0,
        totalNs: 0,
        maxNs: 0,
        inFlightNs: 1_000_000,
        blockedNs: 900_000,
        stoppedNs: 100_000,
      }),
      rawSyscall('epoll_wait', 232, {
        count: 9,
        totalNs: 150_000_000,
        maxNs: 90_000_000,
        inFlightNs: 241_000_000,
        blockedNs: 390_000_000,
        histogram: rawHistogram({ 80: 8, 85: 1 }),
      }),
    ],
    run: {
      count: 48,
      totalNs: 94_350_393,
      minNs: 1729,
      maxNs: 40_455_796,
      clippedNs: 2_000_000,
      histogram: rawHistogram({ 22: 1, 58: 45, 80: 2 }),
    },
    ready: {
      count: 49,
      totalNs: 23_650,
      maxNs: 1559,
      clippedNs: 77,
      woken: { count: 40, totalNs: 20_000, maxNs: 1559 },
      preempted: { count: 9, totalNs: 3650, maxNs: 900 },
      histogram: rawHistogram({ 13: 48, 22: 1 }),
    },
    stopped: { count: 1, totalNs: 1_000_000, maxNs: 1_000_000, clippedNs: 5 },
    hardIrqs: [
      { name: 'virtio0-input.0', irq: 24, count: 3, totalNs: 9000, maxNs: 4000 },
      { name: 'nvme0q1', irq: 33, count: 4, totalNs: 19_000, maxNs: 6000 },
    ],
    softIrqs: [
      { name: 'rcu', vector: 9, count: 28, totalNs: 23_024, maxNs: 1600 },
      { name: 'sched', vector: 7, count: 14, totalNs: 26_889, maxNs: 3041 },
    ],
    localIrqs: [
      { name: 'local timer', vector: 236, count: 125, totalNs: 250_000, maxNs: 9000 },
      { name: 'rescheduling', vector: 253, count: 3, totalNs: 3000, maxNs: 1200 },
    ],
    longPoll: {
      count: 8,
      totalNs: 100_000_000,
      minNs: 1_000_000,
      maxNs: 40_000_000,
      histogram: rawHistogram({ 60: 7, 80: 1 }),
    },
    ranInstead: {
      tasks: [
        { pid: 0, tid: 0, comm: 'swapper/1', count: 30, totalNs: 10_000, cgroup: null },
        {
          pid: 400,
          tid: 401,
          comm: 'noisy',
          count: 2,
          totalNs: 5000,
          cgroup: '/system.slice/noisy.service',
        },
        { pid: 33, tid: 33, comm: 'kworker/1:2', count: 1, totalNs: 3000, cgroup: '/' },
      ],
      otherTasksNs: 1000,
      cpus: [
        { cpu: 1, totalNs: 20_000 },
        { cpu: 0, totalNs: 3650 },
      ],
      unattributedNs: 4650,
    },
    wokenBy: [
      { by: 'soft irq', name: 'net_rx', pid: 0, tid: 0, count: 9, blockedNs: 390_000_000 },
      { by: 'task', name: 'main', pid: 100, tid: 100, count: 4, blockedNs: 10_000_000 },
    ],
    chains: [
      rawChain('blocked', 400_000_000, {
        call: 'futex',
        pid: 100,
        tid: 101,
        name: 'worker',
        count: 13,
        below: [
          rawChain('interrupt', 390_000_000, { name: 'net_rx', count: 9 }),
          rawChain('running', 10_000_000, { by: 'waker', pid: 100, tid: 100, name: 'main', count: 4 }),
        ],
      }),
      rawChain('ready', 23_650, {
        pid: 100,
        tid: 101,
        name: 'worker',
        count: 33,
        below: [
          rawChain('idle', 10_000, { count: 30 }),
          rawChain('turn', 5000, { pid: 400, tid: 401, name: 'noisy', count: 2 }),
          rawChain('unknown', 4650),
          rawChain('others', 4000, { count: 2 }),
        ],
      }),
    ],
    faults: { minor: 1200, major: 2, blockedNs: 1_000_000 },
    budget: {
      wallNs: 500_000_000,
      userNs: 50_000_000,
      kernelNs: 36_000_000,
      kernelOutsideCallsNs: 10_000_000,
      readyWokenNs: 20_077,
      readyPreemptedNs: 3650,
      blockedNs: 402_000_000,
      stoppedNs: 1_000_005,
      frozenNs: 0,
      hardIrqNs: 281_000,
      softIrqNs: 49_913,
      unknownNs: 645_355,
    },
    ...over,
  });
}
