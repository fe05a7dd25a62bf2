/* Generated from schema/kdelay-1.schema.json by `npm run build:types`. Do not edit. */

/**
 * Name and major version of this schema. Additions keep it; anything else changes it.
 */
export type SchemaName = 'kdelay/1';
/**
 * Wall-clock time, ISO 8601 in UTC with nanoseconds.
 */
export type WallTime = string;
/**
 * CLOCK_MONOTONIC in nanoseconds, as a decimal string because it may not fit a double.
 */
export type MonotonicNs = string;
/**
 * A duration in nanoseconds.
 */
export type DurationNs = number;
/**
 * How often something happened.
 */
export type Count = number;
/**
 * A shortest or longest duration in nanoseconds; null when there was none.
 */
export type ExtremeNs = number | null;
/**
 * Non-empty buckets in rising order, of four for each power of two; null: not recorded.
 */
export type Histogram = HistogramBucket[] | null;

/**
 * The document `kdelay capture --format json` writes. With `--format ndjson` the first line is a Header and each further line a Sample. All durations are integer nanoseconds; null means unknown or not applicable, never 0.
 */
export interface Report {
  schema: SchemaName;
  /**
   * Version of kdelay that wrote the report.
   */
  version: string;
  host: Host;
  /**
   * The captured processes: those named first, then (with follow) their children in the order they appeared.
   */
  targets: Target[];
  options: Options;
  /**
   * One entry per window, in order of time.
   */
  samples: Sample[];
}
/**
 * The machine the capture ran on.
 */
export interface Host {
  /**
   * Host name, as the kernel has it.
   */
  hostname: string;
  /**
   * Kernel release, as `uname -r`.
   */
  kernel: string;
  /**
   * Machine type, as `uname -m`.
   */
  arch: string;
  /**
   * Number of CPUs online.
   */
  cpus: number;
}
/**
 * One captured process. Names are as the process set them and may hold any character.
 */
export interface Target {
  /**
   * Process id in kdelay’s own pid namespace.
   */
  pid: number;
  /**
   * The process's short name (comm of its main thread).
   */
  comm: string;
  /**
   * Path of its executable; null if unknown.
   */
  exe: string | null;
  /**
   * Its command line, one entry per argument; null if unknown.
   */
  cmdline: string[] | null;
}
/**
 * The effective value of every option of `kdelay capture`.
 */
export interface Options {
  /**
   * Process ids given with --pid.
   */
  pid: number[];
  /**
   * Names given with --name.
   */
  name: string[];
  /**
   * Every match of a name is captured.
   */
  all: boolean;
  /**
   * Children forked during the run join the targets.
   */
  follow: boolean;
  /**
   * Threads that could have numbers at the same time; null: from the number of threads.
   */
  threadCapacity: number | null;
  /**
   * Ring buffer size in pages, a power of two.
   */
  bufferPageCount: number;
  /**
   * Number of samples asked for.
   */
  sampleCount: number;
  /**
   * Pause between samples in seconds.
   */
  sampleInterval: number;
  /**
   * Length of a window in seconds; null: until a trigger or the end of the command closes it.
   */
  sampleTime: number | null;
  /**
   * What opens windows; null: kdelay itself does.
   */
  startTrigger: string | null;
  /**
   * What closes windows; null: their length does.
   */
  stopTrigger: string | null;
  /**
   * Whether triggers on kernel code fire in any task or in the captured processes only.
   */
  triggerScope: 'any' | 'target';
  /**
   * Triggers at returns may replace the return address on the stack where the function's ends cannot all be found.
   */
  allowUretprobe: boolean;
  /**
   * Samples shorter than this, in nanoseconds, are dropped.
   */
  triggerDelta: number;
  /**
   * How long to wait for a trigger, in seconds; null: for ever.
   */
  triggerTimeout: number | null;
  /**
   * System calls that took longer than so many nanoseconds are recorded one by one; 0: each; null: none.
   */
  syscallEvents: number | null;
  /**
   * Calls that only wait, as poll does, are not recorded.
   */
  skipSyscallPollEvents: boolean;
  /**
   * Only calls of these names are recorded; empty: of any.
   */
  syscall: string[];
  /**
   * Recorded calls of a sample, at most: the longest.
   */
  eventLimit: number;
  /**
   * 0: recorded calls come without stacks.
   */
  stackTraceSize: number;
  /**
   * How user stacks are found: dwarf, from a copy by unwind tables; fp, by frame pointers.
   */
  userStackBy: 'dwarf' | 'fp';
  /**
   * Bytes copied from each caller's stack, by dwarf; 0: no user stacks.
   */
  userStackBytes: number;
  /**
   * Time blocked is summed up by stack; so many stacks of each thread are in the text report. null: it is not.
   */
  offCpu: number | null;
  /**
   * Missing debug files are fetched from the servers of DEBUGINFOD_URLS.
   */
  debuginfod: boolean;
  /**
   * Open vSwitch's upcalls are not counted.
   */
  skipUpcallStats: boolean;
  /**
   * Waits are attributed: those for a CPU to who ran instead, all of them to what they were for, and wakeups to who woke.
   */
  who: boolean;
  /**
   * Bytes of each CPU's ring of switches and wakeups, from which that is known.
   */
  recorderBytes: number;
  /**
   * So many ms before each window are recorded, too.
   */
  before: number;
  /**
   * The thread whose critical path each sample has; null: that of the thread in which the stop trigger fires.
   */
  criticalPath: number | null;
  /**
   * The file into which the samples' time line is written; null: none.
   */
  timeline: string | null;
  /**
   * Name of the output format.
   */
  format: string;
  /**
   * The text report has histograms.
   */
  histograms: boolean;
  /**
   * Samples have a verdict.
   */
  verdict: boolean;
  /**
   * File the report went to; null: standard output.
   */
  output: string | null;
  /**
   * Verifier log level, a bit mask; 0: off.
   */
  debug: number;
  /**
   * The command that was started and captured; null: none.
   */
  command: string[] | null;
}
/**
 * What happened in one window.
 */
export interface Sample {
  /**
   * Number of the sample, from 0.
   */
  index: number;
  start: WindowStart;
  stop: WindowStop;
  windowNs: DurationNs;
  /**
   * Start triggers since the sample before that found a window open and changed nothing. (`losses.triggersMissed` are those that found none armed.)
   */
  startsInWindow: Count;
  /**
   * Windows since the sample before that were shorter than the trigger delta and dropped.
   */
  samplesSkipped: Count;
  /**
   * Windows since the sample before whose call of the function was left without a return, as by an exception, and that were dropped.
   */
  callsLeft: Count;
  /**
   * The processes of these threads, in the order of the targets.
   */
  processes: Process[];
  /**
   * Every thread seen in the window, by name, then tid.
   */
  threads: Thread[];
  /**
   * From the window's end back to its beginning: what the thread did in which the stop trigger fired, or the one that was asked for, and what it waited for. null: no thread was, or nothing of it was recorded.
   */
  criticalPath: CriticalPath | null;
  /**
   * Single recorded system calls; empty unless event recording is on.
   */
  syscallEvents: SyscallEvent[];
  /**
   * Time blocked by thread and stack, longest first; empty unless it was asked for.
   */
  offCpu: OffCpu[];
  /**
   * Why stacks or names are missing, a line each, each reported with the first sample that it was met for; what cannot be printed is escaped.
   *
   * @maxItems 64
   */
  stackProblems: string[];
  /**
   * Nanoseconds that the hypervisor took from this machine's CPUs during the window, all of them together, as exact as the kernel's clock ticks; null: unknown.
   */
  stealNs: number | null;
  /**
   * Open vSwitch's upcalls by CPU, then result; null: not measured.
   */
  upcalls: Upcall[] | null;
  /**
   * What the numbers say, in words; null: not asked for.
   */
  verdict: Verdict | null;
  losses: Losses;
}
/**
 * The window's first instant.
 */
export interface WindowStart {
  wall: WallTime;
  monotonicNs: MonotonicNs;
  /**
   * What opened the window.
   */
  by: 'time' | 'trigger';
  /**
   * Where the trigger fired; null: no trigger set this edge.
   */
  trigger: TriggeringThread | null;
}
/**
 * The thread in which a trigger fired: the one that was current, whatever context the kernel was in. A kernel function that runs in an interrupt fires in whom it interrupts.
 */
export interface TriggeringThread {
  /**
   * Process id; 0: the CPU was idle.
   */
  pid: number;
  /**
   * Thread id.
   */
  tid: number;
  /**
   * The thread's name at that moment.
   */
  comm: string;
}
/**
 * The window's last instant.
 */
export interface WindowStop {
  wall: WallTime;
  monotonicNs: MonotonicNs;
  /**
   * What closed the window: its length was over, a trigger fired, the user stopped it, every target had ended, the stop trigger did not fire in its time, or (in no report of the command line) the call that it is about was left without a return.
   */
  by: 'time' | 'trigger' | 'interrupt' | 'exit' | 'timeout' | 'left';
  /**
   * Where the trigger fired; null: no trigger set this edge.
   */
  trigger: TriggeringThread | null;
}
/**
 * The threads of one process together.
 */
export interface Process {
  /**
   * Process id.
   */
  pid: number;
  /**
   * The process's short name; null: unknown. May hold any character.
   */
  comm: string | null;
  threads: Count;
  budget: Budget;
}
/**
 * Where the time in the window went, of a thread or of all threads of a process together, net of nesting. All entries but wallNs add up to wallNs exactly; of a process whose sums pass 2^53 ns (104 days), each is the nearest number that a double holds.
 */
export interface Budget {
  /**
   * Nanoseconds of the window that the thread existed in.
   */
  wallNs: number;
  /**
   * Nanoseconds on a CPU in user mode; where kernelOutsideCallsNs is null, all those outside of system calls.
   */
  userNs: number;
  /**
   * Nanoseconds on a CPU inside system calls, interrupts taken out.
   */
  kernelNs: number;
  /**
   * Nanoseconds on a CPU in the kernel outside of system calls, interrupts taken out: page faults and other exceptions, the ways into calls and out of them. It is measured by what the kernel's timer finds at its ticks, but of threads that never leave the kernel, as io_uring's workers; null: too few ticks tell.
   */
  kernelOutsideCallsNs: number | null;
  /**
   * Nanoseconds waiting for a CPU after a wakeup.
   */
  readyWokenNs: number;
  /**
   * Nanoseconds waiting for a CPU after a preemption.
   */
  readyPreemptedNs: number;
  /**
   * Nanoseconds asleep.
   */
  blockedNs: number;
  /**
   * Nanoseconds stopped by job control or a tracer.
   */
  stoppedNs: number;
  /**
   * Nanoseconds frozen, by the freezer of its control group or with the machine.
   */
  frozenNs: number;
  /**
   * Nanoseconds in hard interrupts, local timer and inter-processor ones among them.
   */
  hardIrqNs: number;
  /**
   * Nanoseconds in soft interrupts, hard ones taken out.
   */
  softIrqNs: number;
  /**
   * Nanoseconds that no event explains.
   */
  unknownNs: number;
}
/**
 * One thread's numbers for one window.
 */
export interface Thread {
  /**
   * Id of the thread's process.
   */
  pid: number;
  /**
   * Thread id in kdelay’s own pid namespace.
   */
  tid: number;
  /**
   * The thread's name, recorded in the kernel. May hold any character; bytes that are not UTF-8 appear as \xNN, and the backslash of text that reads so as \x5c.
   */
  comm: string;
  /**
   * The thread began to exit inside the window.
   */
  exited: boolean;
  /**
   * It never leaves the kernel and works there for its process, as io_uring's and vhost's workers do: it is in no call, and blocked while there is no work.
   */
  kernelOnly: boolean;
  /**
   * System calls by totalNs, largest first.
   */
  syscalls: Syscall[];
  run: Run;
  ready: Ready;
  stopped: Stopped;
  /**
   * Hard interrupts that hit the thread, by totalNs, largest first.
   */
  hardIrqs: HardIrq[];
  /**
   * Soft interrupts run on the thread's time, by totalNs, largest first.
   */
  softIrqs: SoftIrq[];
  /**
   * Local timer and inter-processor interrupts that hit the thread, by totalNs, largest first.
   */
  localIrqs: LocalIrq[];
  longPoll: LongPoll;
  ranInstead: RanInstead;
  /**
   * Up to three of those who ended times that the thread was blocked, by blockedNs, largest first.
   */
  wokenBy: Waker[];
  /**
   * What the time that the thread was blocked or ready was for, by totalNs, largest first: how it waited, then what those did meanwhile who ended that, and so on. null: nothing was recorded (--no-who).
   */
  chains: Chain[] | null;
  faults: Faults;
  budget: Budget;
}
/**
 * One system call of one thread. count, totalNs, maxNs and histogram cover the calls that began and ended inside the window.
 */
export interface Syscall {
  /**
   * Name of the call.
   */
  name: string;
  /**
   * Its number in the given ABI.
   */
  number: number;
  /**
   * Through which system call table it was made.
   */
  abi: 'native' | 'ia32' | 'x32' | 'arm32';
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
  /**
   * Nanoseconds inside the window of calls that its edges cut; not part of totalNs.
   */
  inFlightNs: number;
  /**
   * Nanoseconds of totalNs and inFlightNs together in which the thread waited for a CPU.
   */
  readyNs: number;
  /**
   * Nanoseconds of totalNs and inFlightNs together in which the thread was asleep.
   */
  blockedNs: number;
  /**
   * Nanoseconds of totalNs and inFlightNs together in which the thread was stopped or frozen. What is left was on a CPU, interrupts included.
   */
  stoppedNs: number;
  /**
   * Calls that the kernel refused on the way in, as seccomp's filters have it. They are not among count: no event shows when they began.
   */
  refused: number;
  /**
   * The name of the error that all of those returned; null: there were none, they returned no error, or not all the same.
   */
  refusedErrno: string | null;
  /**
   * Of the histogram; null: there is none, or it is empty.
   */
  percentiles: Percentiles | null;
  histogram: Histogram;
}
/**
 * Half, nine tenths and 99 hundredths of the durations are no longer than these. Each is the middle of its bucket: from 40 ns on at most 12.5 % off.
 */
export interface Percentiles {
  p50Ns: DurationNs;
  p90Ns: DurationNs;
  p99Ns: DurationNs;
}
/**
 * How many durations lie in [fromNs, toNs).
 */
export interface HistogramBucket {
  fromNs: DurationNs;
  /**
   * Upper bound in nanoseconds, excluded; null: none.
   */
  toNs: number | null;
  /**
   * Durations in this bucket.
   */
  count: number;
}
/**
 * On-CPU slices, switched in to switched out. count, totalNs, minNs, maxNs and histogram cover whole slices.
 */
export interface Run {
  count: Count;
  totalNs: DurationNs;
  minNs: ExtremeNs;
  maxNs: ExtremeNs;
  /**
   * Nanoseconds inside the window of slices that its edges cut; totalNs + clippedNs is the thread's CPU time.
   */
  clippedNs: number;
  /**
   * Of the histogram; null: there is none, or it is empty.
   */
  percentiles: Percentiles | null;
  histogram: Histogram;
}
/**
 * Runnable but not running, until switched in. count, totalNs, maxNs and histogram cover whole waits, woken and preempted together.
 */
export interface Ready {
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
  /**
   * Nanoseconds inside the window of waits that its edges cut; not part of totalNs.
   */
  clippedNs: number;
  woken: ReadyKind;
  preempted: ReadyKind;
  /**
   * Of the histogram; null: there is none, or it is empty.
   */
  percentiles: Percentiles | null;
  histogram: Histogram;
}
/**
 * Waits of one kind: woken (since its wakeup) or preempted (switched out while runnable).
 */
export interface ReadyKind {
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
}
/**
 * Job-control or ptrace stops, switched out to woken.
 */
export interface Stopped {
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
  /**
   * Nanoseconds inside the window of stops that its edges cut; not part of totalNs.
   */
  clippedNs: number;
}
/**
 * One interrupt handler that ran while the thread was current.
 */
export interface HardIrq {
  /**
   * Name of the handler's action.
   */
  name: string;
  /**
   * Interrupt number.
   */
  irq: number;
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
}
/**
 * One soft interrupt vector that ran while the thread was current. Work done by ksoftirqd is not here: it shows as preemption.
 */
export interface SoftIrq {
  /**
   * Name of the vector.
   */
  name: string;
  /**
   * Number of the vector.
   */
  vector: number;
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
}
/**
 * One local timer or inter-processor interrupt that ran while the thread was current. Its time is part of the budget's hardIrqNs.
 */
export interface LocalIrq {
  /**
   * What the interrupt is for.
   */
  name: string;
  /**
   * Number of the vector.
   */
  vector: number;
  count: Count;
  totalNs: DurationNs;
  maxNs: ExtremeNs;
}
/**
 * How long a loop was outside its poll: from the end of a call of the poll family to the beginning of the next one, both inside the window.
 */
export interface LongPoll {
  count: Count;
  totalNs: DurationNs;
  minNs: ExtremeNs;
  maxNs: ExtremeNs;
  /**
   * Of the histogram; null: there is none, or it is empty.
   */
  percentiles: Percentiles | null;
  histogram: Histogram;
}
/**
 * Who ran while the thread waited for a CPU. tasks, otherTasksNs, shortNs and unattributedNs add up to the totalNs of ready.
 */
export interface RanInstead {
  /**
   * Up to five, those that ran longest, by totalNs, largest first.
   */
  tasks: RanInsteadTask[];
  /**
   * Nanoseconds in which other tasks than those ran.
   */
  otherTasksNs: number;
  /**
   * Up to five of the CPUs that it waited for, by totalNs, largest first.
   */
  cpus: RanInsteadCpu[];
  /**
   * Nanoseconds of waits that are too short to be attributed: always 0, as all are (until 0.1 those under 10 us were not).
   */
  shortNs: number;
  /**
   * Nanoseconds of waits of which it is not known who ran.
   */
  unattributedNs: number;
}
/**
 * A task that ran while the thread waited for that CPU.
 */
export interface RanInsteadTask {
  /**
   * Id of its process; 0: the CPU was idle, that is, waking up (its name is swapper), or the task has no pid in this namespace.
   */
  pid: number;
  /**
   * Thread id.
   */
  tid: number;
  /**
   * The task's name. May hold any character.
   */
  comm: string;
  count: Count;
  totalNs: DurationNs;
  /**
   * Path of its control group; null: unknown.
   */
  cgroup: string | null;
}
/**
 * How long the thread waited for one CPU.
 */
export interface RanInsteadCpu {
  /**
   * Number of the CPU.
   */
  cpu: number;
  totalNs: DurationNs;
}
/**
 * Who ended times that the thread was blocked.
 */
export interface Waker {
  /**
   * Whether a task did it, an interrupt, or an idle CPU, in an interrupt of which no probe knows; others: in no report any more.
   */
  by: 'task' | 'hard irq' | 'soft irq' | 'local irq' | 'idle' | 'others';
  /**
   * Name of the task or the interrupt. May hold any character.
   */
  name: string;
  /**
   * Id of the task's process; 0: it was no task.
   */
  pid: number;
  /**
   * Thread id; 0: it was no task.
   */
  tid: number;
  count: Count;
  /**
   * Nanoseconds that the thread had been blocked until then.
   */
  blockedNs: number;
}
/**
 * What somebody did while others waited for it. What is below it is what that was for in turn, and adds up to its totalNs.
 */
export interface Chain {
  /**
   * running, ready, blocked, stopped, frozen: what the task did. turn: it had the CPU that the one above waited for; idle: nobody had it. interrupt: one ended the wait. unfinished: the wait went on when the window ended. unknown: not recorded. others: what is too little, or too varied, to be told.
   */
  what:
    | 'running'
    | 'ready'
    | 'blocked'
    | 'stopped'
    | 'frozen'
    | 'turn'
    | 'idle'
    | 'interrupt'
    | 'unfinished'
    | 'unknown'
    | 'others';
  /**
   * The system call that it is blocked in; null: none, or not known.
   */
  call: string | null;
  /**
   * Id of the task's process; 0: it is no task, or has no pid in this namespace.
   */
  pid: number;
  /**
   * Thread id; 0: likewise.
   */
  tid: number;
  /**
   * Name of the task or the interrupt; empty: none is known. May hold any character.
   */
  name: string;
  /**
   * waker: it woke the one above; exit: by its own end; parent: the one that woke it was not born yet, and this one made it; null: the thread itself, or no task that woke anybody.
   */
  by: 'waker' | 'exit' | 'parent' | null;
  /**
   * The system call in which it woke that one; null: it did not wake, or in none, as a kernel thread, or the call is not known.
   */
  byCall: string | null;
  /**
   * In how many of the thread's waits; of others, a sum of that.
   */
  count: Count;
  totalNs: DurationNs;
  /**
   * What that was for in turn, by totalNs, largest first.
   */
  below: Chain[];
}
/**
 * The thread's page faults, as the kernel counts them from its first event in the window to its last switch.
 */
export interface Faults {
  /**
   * Faults that took no reading from a disk; null: unknown.
   */
  minor: number | null;
  /**
   * Faults that waited for a disk; null: unknown.
   */
  major: number | null;
  /**
   * Nanoseconds asleep outside of any system call: in page faults and the like.
   */
  blockedNs: number;
}
/**
 * What a window was spent with, for one thread.
 */
export interface CriticalPath {
  /**
   * Id of the thread's process; 0: it has none in this namespace.
   */
  pid: number;
  /**
   * Thread id; 0: likewise.
   */
  tid: number;
  /**
   * The thread's name. May hold any character.
   */
  comm: string;
  /**
   * In the order of time, without gaps: they add up to the window, and to what is known of the time before it that was asked for. Of more than 10,000 the earlier ones are one, of others.
   *
   * @maxItems 10001
   */
  segments: PathSegment[];
}
/**
 * A part of a critical path.
 */
export interface PathSegment {
  /**
   * Nanoseconds from the window's beginning to the segment's; negative: it begins before that.
   */
  fromNs: number;
  /**
   * Nanoseconds from the window's beginning to the segment's end; likewise.
   */
  toNs: number;
  /**
   * From what the thread itself did to what it waited for; at least that.
   */
  steps: PathStep[];
}
/**
 * What somebody did, as in a Chain.
 */
export interface PathStep {
  /**
   * As of a Chain.
   */
  what:
    | 'running'
    | 'ready'
    | 'blocked'
    | 'stopped'
    | 'frozen'
    | 'turn'
    | 'idle'
    | 'interrupt'
    | 'unfinished'
    | 'unknown'
    | 'others';
  /**
   * As of a Chain.
   */
  call: string | null;
  /**
   * As of a Chain.
   */
  pid: number;
  /**
   * As of a Chain.
   */
  tid: number;
  /**
   * As of a Chain. May hold any character.
   */
  name: string;
  /**
   * As of a Chain.
   */
  by: 'waker' | 'exit' | 'parent' | null;
  /**
   * As of a Chain.
   */
  byCall: string | null;
}
/**
 * One recorded system call.
 */
export interface SyscallEvent {
  entryNs: MonotonicNs;
  exitNs: MonotonicNs;
  durationNs: DurationNs;
  /**
   * Id of the thread's process.
   */
  pid: number;
  /**
   * Thread id.
   */
  tid: number;
  /**
   * The thread's name.
   */
  comm: string;
  /**
   * Name of the call.
   */
  name: string;
  /**
   * Number of the call.
   */
  number: number;
  /**
   * Through which system call table it was made.
   */
  abi: 'native' | 'ia32' | 'x32' | 'arm32';
  /**
   * The six registers of arguments, hexadecimal, of which the call may use fewer; null: the call replaced what they held.
   */
  arguments: string[] | null;
  /**
   * What the kernel returned, decimal.
   */
  result: string;
  /**
   * The error's name; null: none, or one without a name.
   */
  errno: string | null;
  /**
   * The longest time off the CPU; null: none that was worth noting, or none was looked for.
   */
  wait: CallWait | null;
  /**
   * Where it was off the CPU for the longest time: kernel frames, innermost first. Empty: it was not, or nobody knows.
   */
  kernelStack: Frame[];
  /**
   * Who made the call: user frames, innermost first. Empty: nobody knows.
   */
  userStack: Frame[];
  /**
   * Whether the user stack reaches the thread's first function, and if not, why; null: there is none.
   */
  userStackEnd:
    | 'complete'
    | 'cut'
    | 'no unwind information'
    | 'no frame pointer'
    | 'invalid'
    | 'too deep'
    | 'too costly'
    | null;
}
/**
 * A time off the CPU inside of a system call.
 */
export interface CallWait {
  offCpuNs: DurationNs;
  /**
   * It did not sleep: another thread took the CPU.
   */
  preempted: boolean;
}
/**
 * One stack frame; null where a part is unknown.
 */
export interface Frame {
  /**
   * Address, hexadecimal: where it goes on when what it called returns.
   */
  address: string;
  /**
   * Function name.
   */
  symbol: string | null;
  /**
   * Bytes from the start of the function.
   */
  offset: number | null;
  /**
   * Executable or library, as the process sees it; [vdso]; [kernel], or a kernel module in brackets; null: generated code.
   */
  module: string | null;
  /**
   * The address as the module's symbol table has it.
   */
  moduleAddress: string | null;
  /**
   * The module's build id, hexadecimal: with it and moduleAddress the frame can be named where the symbols are.
   */
  buildId: string | null;
  /**
   * Source file.
   */
  file: string | null;
  /**
   * Source line.
   */
  line: number | null;
  /**
   * The function was inlined into the frame below.
   */
  inlined: boolean;
}
/**
 * Time that a thread was blocked with one stack: the times that began and ended inside the window.
 */
export interface OffCpu {
  /**
   * Id of the thread's process.
   */
  pid: number;
  /**
   * Thread id.
   */
  tid: number;
  /**
   * The thread's name.
   */
  comm: string;
  count: Count;
  totalNs: DurationNs;
  maxNs: DurationNs;
  /**
   * Where it slept: kernel frames, innermost first. Empty: unknown.
   */
  kernelStack: Frame[];
  /**
   * User frames, innermost first. Empty: unknown.
   */
  userStack: Frame[];
  /**
   * Whether the user stack reaches the thread's first function, and if not, why; null: there is none.
   */
  userStackEnd:
    | 'complete'
    | 'cut'
    | 'no unwind information'
    | 'no frame pointer'
    | 'invalid'
    | 'too deep'
    | 'too costly'
    | null;
}
/**
 * How often Open vSwitch's kernel module handed a packet up, by CPU and result.
 */
export interface Upcall {
  /**
   * Number of the CPU.
   */
  cpu: number;
  /**
   * What the upcall returned: 0, or an error number below 0.
   */
  result: number;
  /**
   * The error's name; null: none, or one without a name.
   */
  errno: string | null;
  count: Count;
}
/**
 * What the sample's numbers say, in words. Names in its texts are escaped.
 */
export interface Verdict {
  /**
   * Sentences: what the evidence lacks, if it is not enough, and where the time of the processes and of the busiest threads went.
   */
  summary: string[];
  /**
   * Rules that apply, the one that most time is at stake in first. Of threads only the busiest ones are looked at.
   */
  findings: Finding[];
  /**
   * The window is long enough, and little of it is unknown or lost.
   */
  enoughEvidence: boolean;
}
/**
 * A rule that applies to a thread, or to the machine.
 */
export interface Finding {
  /**
   * Which rule.
   */
  rule:
    | 'waits-for-cpu'
    | 'lock'
    | 'slow-call'
    | 'interrupts'
    | 'many-calls'
    | 'kernel-code'
    | 'user-code'
    | 'exceptions'
    | 'stopped'
    | 'frozen'
    | 'page-faults'
    | 'long-poll'
    | 'steal';
  /**
   * Id of the thread's process; null: it is about the machine.
   */
  pid: number | null;
  /**
   * Thread id; null: it is about the machine.
   */
  tid: number | null;
  /**
   * The thread's name; null: it is about the machine. May hold any character.
   */
  comm: string | null;
  /**
   * A sentence with the numbers.
   */
  text: string;
  /**
   * A command that tells more; null: there is none to name.
   */
  next: string | null;
}
/**
 * What this sample lacks. All zero: the sample is complete.
 */
export interface Losses {
  /**
   * Events lost because the ring buffer was full.
   */
  eventsDropped: number;
  /**
   * Recorded system calls that were left out because longer ones filled the sample.
   */
  eventsOverLimit: number;
  /**
   * Events of threads without a record, because none was free; of how many threads is not known.
   */
  threadsUntracked: number;
  /**
   * System calls not counted because the table was full.
   */
  syscallsUntracked: number;
  /**
   * Stacks that could not be recorded.
   */
  stacksLost: number;
  /**
   * User stacks of recorded calls that do not reach the thread's first function.
   */
  stacksTruncated: number;
  /**
   * Frames of the sample's different stacks that have no name.
   */
  framesUnresolved: number;
  /**
   * Triggers that fired while the last sample was still being read.
   */
  triggersMissed: number;
  /**
   * Probe runs the kernel skipped because the probe was already running; null: this kernel does not count them.
   */
  recursionMisses: number | null;
  /**
   * Intervals discarded because their end lay before their start.
   */
  negativeIntervals: number;
  /**
   * Switches and wakeups the kernel did not report, found because what came next contradicts them; the time around them is in unknownNs.
   */
  switchesMissed: number;
  /**
   * Switches and wakeups of the machine that the flight recorder overwrote before they were read: what they would have explained is unattributedNs, or unknown in chains.
   */
  recorderOverwritten: number;
}
/**
 * First line of `--format ndjson`. Its targets are those known before the first window; children that join later show by the pid of their threads.
 */
export interface Header {
  schema: SchemaName;
  /**
   * Version of kdelay that wrote the report.
   */
  version: string;
  host: Host;
  /**
   * The captured processes known before the first window.
   */
  targets: Target[];
  options: Options;
}
