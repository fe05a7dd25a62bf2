/** What the rules pick out of a thread's numbers. */
import { onCpuNs } from '../report/syscalls.js';
import { isIdleCpu } from '../report/tasks.js';
import type { Syscall, Thread } from '../report/types.js';
import { shortTime, wholeNumber, wholePercent } from '../units.js';
import { kindOf } from './call-kinds.js';
import { type ThreadFacts, workingCalls } from './facts.js';
import { limits } from './limits.js';
import { called, nameOf, placeOutsideCalls } from './words.js';

/** Of waits that the window's edges cut nobody knows who had the CPU meanwhile. */
function isMostlyCut({ thread: { ready }, readyNs }: ThreadFacts): boolean {
  return ready.clippedNs * 2 > readyNs;
}

/** Who had the CPU that the thread waited for, and which it was. */
export function heldBy(facts: ThreadFacts): string {
  const { thread, readyNs } = facts;
  const { pid, ready, ranInstead } = thread;
  const [most] = ranInstead.tasks;
  const [cpu] = ranInstead.cpus;
  const where = cpu === undefined ? '' : `, on CPU ${cpu.cpu} most`;
  if (most === undefined) return `who had it is not known${where}`;
  if (isMostlyCut(facts))
    return `who had it is not known of ${wholePercent(ready.clippedNs, readyNs)} of that, which the window’s edges cut`;
  const part = wholePercent(most.totalNs, readyNs);
  if (isIdleCpu(most))
    return `its CPU was idle for ${part} of that${where}: a quota of its control group, or a CPU that woke up late`;
  const remarks = [
    most.pid === pid
      ? `tid ${most.tid}, of the same process`
      : most.pid === 0
        ? 'of another pid namespace'
        : `tid ${most.tid}, pid ${most.pid}`,
    ...(most.comm.startsWith('ksoftirqd/') ? ['that is soft interrupts'] : []),
    ...(most.cgroup === null ? [] : [`control group ${nameOf(most.cgroup)}`]),
  ];
  return `${nameOf(most.comm)} (${remarks.join(', ')}) had it for ${part} of that${where}`;
}

/** A command that shows why. It holds no names: these are for others to choose. */
export function lookAtCpu(facts: ThreadFacts): string {
  const { pid, ranInstead } = facts.thread;
  const [most] = ranInstead.tasks;
  const isNamed = most !== undefined && !isMostlyCut(facts) && (most.pid !== 0 || isIdleCpu(most));
  if (!isNamed) return 'ps -eLo pcpu,psr,cls,rtprio,ni,pid,tid,comm --sort=-pcpu | head -20';
  if (most.pid === 0)
    return `grep throttled "/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/${pid}/cgroup)/cpu.stat"`;
  const pids = most.pid === pid ? `${pid}` : `${pid},${most.pid}`;
  return `ps -L -o pid,tid,psr,cls,rtprio,ni,pcpu,comm -p ${pids}`;
}

/** How long the longest wait for a CPU took; null: there was none. There may be a cut one at each of the window's edges. */
export function longestReady({ thread: { ready }, wallNs }: ThreadFacts): string | null {
  const whole = ready.maxNs ?? 0;
  const cut = ready.clippedNs >= wallNs ? wallNs : Math.floor(ready.clippedNs / 2);
  if (whole === 0 && cut === 0) return null;
  return cut > whole ? `at least ${shortTime(cut)}` : `up to ${shortTime(whole)}`;
}

/**
 * `; mostly woken by NAME (tid N)`: the task that ended at least half of that much time blocked, even if it ended all that the thread was
 * blocked elsewhere as well. Nothing if none surely did.
 */
export function wokenBy({ thread: { wokenBy: wakers, budget } }: ThreadFacts, blockedNs: number): string {
  const elsewhereNs = budget.blockedNs - blockedNs;
  const waker = wakers.find(
    ({ by, blockedNs: byNs }) => by === 'task' && byNs > elsewhereNs && (byNs - elsewhereNs) * 2 >= blockedNs,
  );
  if (waker === undefined) return '';
  return `; mostly woken by ${nameOf(waker.name)}${waker.tid === 0 ? '' : ` (tid ${waker.tid})`}`;
}

/** How long the longest one took; where edges cut it, it took `atLeast` that. */
export function longestNs(call: Syscall, wallNs: number): { ns: number; atLeast: boolean } {
  const whole = call.maxNs ?? 0;
  // There may be two, one at each edge. Who waits for data may have waited since long ago for what comes late.
  const cut =
    kindOf(call) === 'receive' ? 0 : call.inFlightNs >= wallNs ? wallNs : Math.floor(call.inFlightNs / 2);
  return cut > whole ? { ns: cut, atLeast: true } : { ns: whole, atLeast: false };
}

/** The longest of the calls that do not wait for other threads or for nothing; null: there is none, or it waited for a CPU. */
export function longestCall({ thread, wallNs }: ThreadFacts): Syscall | null {
  const candidates = workingCalls(thread).filter((call) => call.readyNs * 2 < call.totalNs + call.inFlightNs);
  return candidates.reduce<Syscall | null>(
    (longest, call) =>
      longest === null || longestNs(call, wallNs).ns > longestNs(longest, wallNs).ns ? call : longest,
    null,
  );
}

interface Interrupt {
  name: string;
  kind: 'hard irq' | 'soft irq' | 'local irq';
  count: number;
}

/** Null: none of them has numbers. */
export function interruptedMost({ hardIrqs, softIrqs, localIrqs }: Thread): Interrupt | null {
  const all = [
    ...hardIrqs.map((irq) => ({ ...irq, kind: 'hard irq' as const })),
    ...softIrqs.map((irq) => ({ ...irq, kind: 'soft irq' as const })),
    ...localIrqs.map((irq) => ({ ...irq, kind: 'local irq' as const })),
  ].sort((a, b) => b.totalNs - a.totalNs);
  const [most] = all;
  return most === undefined ? null : { name: nameOf(most.name), kind: most.kind, count: most.count };
}

export function callRate({ calls, wallNs }: ThreadFacts): number {
  return wallNs === 0 ? 0 : calls.count / (wallNs / 1e9);
}

/** Of its time in the kernel, what its calls account for: those that a tracer's probes make are not among them. */
export function kernelNsInCalls({ thread: { budget }, calls }: ThreadFacts): number {
  return Math.min(budget.kernelNs, calls.onCpuNs);
}

export function isMostlyInNoCall(facts: ThreadFacts): boolean {
  return kernelNsInCalls(facts) * 2 < facts.thread.budget.kernelNs;
}

/** `, most in read (80 % of the calls)`, or of their time on the CPU; nothing of nothing. */
export function mostInCall({ thread: { syscalls }, calls }: ThreadFacts, by: 'count' | 'time'): string {
  const [size, whole, what] =
    by === 'count'
      ? [({ count }: Syscall) => count, calls.count, 'the calls']
      : [onCpuNs, calls.onCpuNs, 'that'];
  const most = syscalls.reduce<Syscall | null>(
    (largest, call) => (largest === null || size(call) > size(largest) ? call : largest),
    null,
  );
  if (most === null || whole === 0) return '';
  return `, most in ${called(most)} (${wholePercent(size(most), whole)} of ${what})`;
}

/** `3 with a read from a disk, 1,201 without`; null: there were none, or the kernel does not say. */
export function faultKinds({ thread: { faults } }: ThreadFacts): string | null {
  const { minor, major } = faults;
  if (faultCount(faults) === 0) return null;
  return [
    major === null
      ? 'an unknown number of reads from a disk'
      : `${wholeNumber(major)} with a read from a disk`,
    minor === null ? 'an unknown number without' : `${wholeNumber(minor)} without`,
  ].join(', ');
}

export function faultCount({ minor, major }: Thread['faults']): number {
  return (minor ?? 0) + (major ?? 0);
}

/**
 * Whether the thread's page faults can account for its time blocked outside of calls. A task that is preempted or halted in one is not
 * blocked: it waits for a disk, for memory, or for a lock. Counts that are unknown may be any.
 */
export function mayBeFaults({ thread: { faults } }: ThreadFacts): boolean {
  if (faultCount(faults) === 0) return false;
  const mostNs =
    (faults.major ?? Number.POSITIVE_INFINITY) * limits.faultWithReadNs +
    (faults.minor ?? Number.POSITIVE_INFINITY) * limits.faultWithoutReadNs;
  return faults.blockedNs <= mostNs;
}

export function whyNotFaults(facts: ThreadFacts): string {
  const { minor, major } = facts.thread.faults;
  if (minor === null && major === null) return 'how many page faults it had is not known';
  const kinds = faultKinds(facts);
  return kinds === null ? 'no page faults were counted' : `its page faults (${kinds}) are too few for that`;
}

/** Nobody reads more of them. */
const mostParts = 3;

/** Where a loop's time outside of its poll went, the largest parts. */
export function outsidePoll({ thread, readyNs, interruptNs }: ThreadFacts): string {
  const { budget, syscalls, faults } = thread;
  const blocked = syscalls
    .filter((call) => kindOf(call) !== 'idle')
    .map((call) => [call.blockedNs, `blocked in ${called(call)}`] as const);
  const parts = [
    [budget.userNs, placeOutsideCalls(budget)] as const,
    [budget.kernelNs, 'in the kernel'] as const,
    [budget.kernelOutsideCallsNs ?? 0, 'in the kernel outside of calls'] as const,
    [readyNs, 'waiting for a CPU'] as const,
    [interruptNs, 'interrupted'] as const,
    [budget.stoppedNs, 'stopped'] as const,
    [budget.frozenNs, 'frozen'] as const,
    [faults.blockedNs, 'blocked outside of calls'] as const,
    ...blocked,
  ].sort(([a], [b]) => b - a);
  const whole = parts.reduce((sum, [ns]) => sum + ns, 0);
  if (whole === 0) return 'where it was is not known';
  const named = parts
    .slice(0, mostParts)
    .filter(([ns]) => ns > 0)
    .map(([ns, what]) => `${wholePercent(ns, whole)} ${what}`);
  return `outside of poll and sleep its time went ${named.join(', ')}`;
}
