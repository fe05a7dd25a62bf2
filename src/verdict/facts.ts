/** What the rules ask about a thread. */
import { pollFamily } from '../report/poll.js';
import { onCpuNs } from '../report/syscalls.js';
import type { Syscall, Thread } from '../report/types.js';
import { kindOf } from './call-kinds.js';

export interface ThreadFacts {
  readonly thread: Thread;
  readonly windowNs: number;
  readonly wallNs: number;
  /** On a CPU, interrupts left out. */
  readonly ranNs: number;
  /** Waiting for a CPU. */
  readonly readyNs: number;
  readonly interruptNs: number;
  /** Whether time blocked in calls of locks was for locks: `likely`, as it waits elsewhere when it has nothing to do. */
  readonly lock: 'likely' | 'possible' | 'no';
  readonly lockNs: number;
  /** Doing anything but waiting where idle threads wait. */
  readonly activeNs: number;
  readonly calls: { readonly count: number; readonly onCpuNs: number; readonly blockedNs: number };
}

/** A worker without work is in one call nearly all along. What its few times of work leave is not evidence. */
const idleShare = 0.9;

/** Of the time in which it could have done something: not of that in which it was stopped or frozen. */
function isNearlyAllOf(ns: number, { wallNs, stoppedNs, frozenNs }: Thread['budget']): boolean {
  return ns >= idleShare * (wallNs - stoppedNs - frozenNs);
}

/** Below it, a thread that waits for others has hardly anything that it could be late with. */
const leastRan = 0.05;

export function threadFacts(thread: Thread, windowNs: number): ThreadFacts {
  const { budget, syscalls, faults } = thread;
  const { wallNs } = budget;
  const ranNs = onCpuOf(budget);
  const readyNs = budget.readyWokenNs + budget.readyPreemptedNs;
  const interruptNs = budget.hardIrqNs + budget.softIrqNs;
  const lockNs = blockedNs(syscalls.filter((call) => kindOf(call) === 'lock'));
  const lock = lockEvidence(thread, lockNs);
  return {
    thread,
    windowNs,
    wallNs,
    ranNs,
    readyNs,
    interruptNs,
    lock,
    lockNs,
    activeNs:
      ranNs +
      readyNs +
      interruptNs +
      budget.stoppedNs +
      budget.frozenNs +
      (thread.kernelOnly ? 0 : faults.blockedNs) +
      blockedNs(syscalls.filter((call) => isWork(call, thread))) +
      (lock === 'no' ? 0 : lockNs),
    calls: {
      count: syscalls.reduce((sum, { count }) => sum + count, 0),
      onCpuNs: syscalls.reduce((sum, call) => sum + onCpuNs(call), 0),
      blockedNs: blockedNs(syscalls),
    },
  };
}

/** Calls that are no sign of an idle thread, or of one that waits for another. */
export function workingCalls(thread: Thread): Syscall[] {
  return thread.syscalls.filter((call) => isWork(call, thread));
}

function onCpuOf({ userNs, kernelNs, kernelOutsideCallsNs }: Thread['budget']): number {
  return userNs + kernelNs + (kernelOutsideCallsNs ?? 0);
}

/** A loop waits in its poll when it is idle, hence not in a lock. Of other threads it cannot be known, but for workers without work. */
function lockEvidence(thread: Thread, lockNs: number): ThreadFacts['lock'] {
  const { syscalls, budget } = thread;
  if (lockNs === 0 || isSleep(thread, lockNs)) return 'no';
  const polls = syscalls.some(
    ({ name, count, blockedNs }) => pollFamily.has(name) && count > 0 && blockedNs > 0,
  );
  const isIdleIn = isNearlyAllOf(lockNs, budget);
  if (polls) return isIdleIn ? 'possible' : 'likely';
  return !isIdleIn && onCpuOf(budget) >= leastRan * budget.wallNs ? 'possible' : 'no';
}

function isWork(call: Syscall, thread: Thread): boolean {
  const kind = kindOf(call);
  if (kind === 'idle' || kind === 'lock') return false;
  if (kind !== 'receive' && kind !== 'multiplexed') return true;
  if (isSleep(thread, call.blockedNs)) return false;
  return !isNearlyAllOf(call.blockedNs, thread.budget) || isWokenByDisk(thread);
}

/** As kernels name it: the local one of x86, and those with an interrupt line. */
const timer = /timer|hpet/i;

/**
 * Of calls in which a thread waits for others as long as it likes. (Elsewhere a timer says that something took too long: a connection that
 * nobody answers.) Whether most of this time, of all in which the thread was blocked, was ended by a timer, even if a timer also ended all that it was
 * blocked elsewhere: it slept for as long as it wished.
 */
function isSleep({ wokenBy, budget }: Thread, blockedNs: number): boolean {
  const byTimerNs = wokenBy
    .filter(({ by, name }) => by !== 'task' && by !== 'others' && timer.test(name))
    .reduce((sum, waker) => sum + waker.blockedNs, 0);
  const elsewhereNs = budget.blockedNs - blockedNs;
  return blockedNs > 0 && (byTimerNs - elsewhereNs) * 2 > blockedNs;
}

/** As their drivers name them. */
const diskInterrupt = /^(nvme|ahci|ata|mmc|megasas|mpt|blkif|virtio\d+-req)/i;

/** Who waits for a request is woken by the network or by another task. */
function isWokenByDisk({ wokenBy }: Thread): boolean {
  const [first] = wokenBy;
  if (first === undefined) return false;
  if (first.by === 'soft irq') return first.name.toLowerCase() === 'block';
  return first.by === 'hard irq' && diskInterrupt.test(first.name);
}

function blockedNs(calls: readonly Syscall[]): number {
  return calls.reduce((sum, call) => sum + call.blockedNs, 0);
}
