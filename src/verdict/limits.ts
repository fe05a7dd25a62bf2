/** From where on something is worth a sentence, and why from there. Shares are of the thread's time unless they say otherwise. */
export const limits = {
  /** A tenth more of response time is what people begin to notice; less is the price of sharing a machine. */
  readyShare: 0.1,
  /** Some of the scheduler's slices, which are 3 ms from eight CPUs on: the CPU was not free for several in a row. */
  longestReadyNs: 10_000_000,
  /** As with waiting for a CPU. */
  lockShare: 0.1,
  /** A seek and a turn of a hard disk, or a round trip across a continent; what is in memory or in the next room takes far less. */
  slowCallNs: 10_000_000,
  /** The kernel itself defers soft interrupts that take over 2 ms in a row; of a quiet machine's time they are below a hundredth. */
  interruptShare: 0.05,
  /** A fifth of the time for calls is more than most servers that do their work spend. */
  kernelShare: 0.2,
  /** With the mitigations of today a call takes 0.1 to 1 us to get in and out: below this length that is much of it. */
  shortCallNs: 5000,
  /** At 0.2 us each, a fiftieth of a CPU for entering alone. */
  callsPerSecond: 100_000,
  /** Of time in the kernel outside of calls their ways in and out may be part, and these probes: with less, a thousandth of a CPU. */
  noticedCallsPerSecond: 1000,
  /** A rate of fewer events is that of a moment. */
  leastEvents: 1000,
  /** Tenths of its time are what a program notices that the kernel works for without having been asked. */
  exceptionShare: 0.1,
  /** More than half: what is left to the kernel cannot be the larger part. */
  userShare: 0.5,
  /** A healthy process is never stopped: it is for somebody's debugger or shell. Below it, it may be a tracer's attaching. */
  stoppedNs: 1_000_000,
  /** A page of a disk takes 0.1 to 10 ms: this is many of them, or slow ones. */
  faultShare: 0.02,
  /** What one that reads may take: a disk with a long queue, or that wakes up; a file system over a slow network. */
  faultWithReadNs: 1_000_000_000,
  /** What one that does not may be blocked: for a lock that all threads of its process share, or until memory is free again. */
  faultWithoutReadNs: 50_000_000,
  /** A fault takes 0.5 to 1 us: from here on a fiftieth of a CPU or more. */
  faultsPerSecond: 50_000,
  /** Open vSwitch logs an interval between two polls as unreasonably long from here on. */
  longPollNs: 1_000_000_000,
  /** Shorter windows cannot hold that much: once for half of the window then, if people would notice it. */
  longPollShare: 0.5,
  longPollNoticedNs: 100_000_000,
  /** Of all CPUs' time. */
  stealShare: 0.05,
  /** The kernel counts in ticks, of 10 ms where they are longest: less than two may be one that was cut. */
  leastStealNs: 20_000_000,
  /** A window that nobody's event set, or a thread's life: what is shorter than some slices is chance. */
  shortWindowNs: 10_000_000,
  /** A tenth unknown could turn any of the shares above around. */
  unknownShare: 0.1,
  /** Of what was counted: as exact as these shares need it. */
  lossShare: 0.01,
} as const;
