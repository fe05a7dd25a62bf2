/** The one table of rules: when each applies, what it says with its numbers, and what to do next. */
import type { Finding } from '../report/types.js';
import { mean, shortTime, wholeNumber, wholePercent } from '../units.js';
import { kindOf, waitedFor } from './call-kinds.js';
import type { Evidence } from './evidence.js';
import type { ThreadFacts } from './facts.js';
import { limits } from './limits.js';
import {
  callRate,
  faultCount,
  faultKinds,
  heldBy,
  interruptedMost,
  isMostlyInNoCall,
  kernelNsInCalls,
  longestCall,
  longestNs,
  longestReady,
  lookAtCpu,
  mayBeFaults,
  mostInCall,
  outsidePoll,
  whyNotFaults,
  wokenBy,
} from './parts.js';
import { called, isPlainWord, times } from './words.js';

/** Its sentence goes on after the thread's name. */
export interface ThreadRule {
  readonly id: Exclude<Finding['rule'], 'steal'>;
  /** Time that is at stake, in ns, for the order; null: it does not apply. */
  readonly atStake: (facts: ThreadFacts) => number | null;
  readonly says: (facts: ThreadFacts) => string;
  readonly next: (facts: ThreadFacts) => string | null;
}

const share = (part: number, facts: ThreadFacts): string => wholePercent(part, facts.wallNs);
const when = (applies: boolean, ns: number): number | null => (applies ? ns : null);
const reaches = (ns: number, { wallNs }: ThreadFacts, limit: number): boolean =>
  ns > 0 && ns >= limit * wallNs;

export const threadRules: readonly ThreadRule[] = [
  {
    id: 'waits-for-cpu',
    atStake: (facts) =>
      when(
        reaches(facts.readyNs, facts, limits.readyShare) ||
          (facts.thread.ready.maxNs ?? 0) >= limits.longestReadyNs,
        facts.readyNs,
      ),
    says(facts) {
      const longest = longestReady(facts);
      const atATime = longest === null ? '' : `, ${longest} at a time`;
      return `waited for a CPU for ${share(facts.readyNs, facts)} of its time${atATime}: ${heldBy(facts)}`;
    },
    next: lookAtCpu,
  },
  {
    id: 'lock',
    atStake: (facts) =>
      when(facts.lock !== 'no' && reaches(facts.lockNs, facts, limits.lockShare), facts.lockNs),
    says(facts) {
      const { lock, lockNs } = facts;
      const why =
        lock === 'likely'
          ? 'likely a lock, as it polls when it has nothing to do'
          : 'a lock, or nothing to do';
      return `was blocked for another thread (futex and the like) for ${share(lockNs, facts)} of its time: ${why}${wokenBy(facts, lockNs)}`;
    },
    next: ({ thread: { pid } }) => `kdelay capture -p ${pid} --off-cpu --sample-time 2`,
  },
  {
    id: 'slow-call',
    atStake(facts) {
      const call = longestCall(facts);
      return when(
        call !== null && longestNs(call, facts.wallNs).ns >= limits.slowCallNs,
        call?.blockedNs ?? 0,
      );
    },
    says(facts) {
      const call = longestCall(facts);
      if (call === null) return '';
      const spent = call.totalNs + call.inFlightNs;
      const { ns, atLeast } = longestNs(call, facts.wallNs);
      const length = `${atLeast ? 'at least ' : ''}${shortTime(ns)}`;
      const where = `${wholePercent(call.blockedNs, spent)} blocked, for ${waitedFor[kindOf(call)]}`;
      const ready = call.readyNs > 0 ? `; ${wholePercent(call.readyNs, spent)} waiting for a CPU` : '';
      return `was in one ${called(call)} for ${length}. Of all its time there: ${where}${ready}${wokenBy(facts, call.blockedNs)}`;
    },
    next(facts) {
      const name = longestCall(facts)?.name ?? '';
      const only = isPlainWord(name) ? ` --syscall ${name}` : '';
      return `kdelay capture -p ${facts.thread.pid} -s ${limits.slowCallNs}${only} --sample-time 5`;
    },
  },
  {
    id: 'interrupts',
    atStake: (facts) => when(reaches(facts.interruptNs, facts, limits.interruptShare), facts.interruptNs),
    says(facts) {
      const most = interruptedMost(facts.thread);
      const by = most === null ? '' : `, most by ${most.name} (${most.kind}, ${times(most.count)})`;
      return `was interrupted for ${share(facts.interruptNs, facts)} of its time${by}`;
    },
    next: ({ thread }) =>
      interruptedMost(thread)?.kind === 'soft irq'
        ? 'watch -d -n 1 cat /proc/softirqs'
        : 'watch -d -n 1 cat /proc/interrupts',
  },
  {
    id: 'many-calls',
    atStake(facts) {
      const inCallsNs = kernelNsInCalls(facts);
      const { count, onCpuNs } = facts.calls;
      const areShort = count > 0 && onCpuNs / count <= limits.shortCallNs;
      return when(
        (areShort && reaches(inCallsNs, facts, limits.kernelShare)) ||
          (count >= limits.leastEvents && callRate(facts) >= limits.callsPerSecond),
        inCallsNs,
      );
    },
    says(facts) {
      const { count, onCpuNs } = facts.calls;
      const each = shortTime(mean(onCpuNs, count));
      return `made ${wholeNumber(callRate(facts))} system calls a second, ${each} on the CPU each, ${share(kernelNsInCalls(facts), facts)} of its time${mostInCall(facts, 'count')}`;
    },
    next({ thread: { pid, syscalls } }) {
      const most = [...syscalls].sort((a, b) => b.count - a.count)[0]?.name ?? '';
      const only = isPlainWord(most) ? ` --syscall ${most}` : '';
      return `kdelay capture -p ${pid} -s 0${only} --event-limit 1000 --sample-time 0.1`;
    },
  },
  {
    id: 'kernel-code',
    atStake(facts) {
      const { kernelNs } = facts.thread.budget;
      const { count, onCpuNs } = facts.calls;
      const areLong = count === 0 || onCpuNs / count > limits.shortCallNs || isMostlyInNoCall(facts);
      return when(areLong && reaches(kernelNs, facts, limits.kernelShare), kernelNs);
    },
    says(facts) {
      const ran = `ran in the kernel for ${share(facts.thread.budget.kernelNs, facts)} of its time`;
      return isMostlyInNoCall(facts)
        ? `${ran}, most of that in none of its calls: in a tracer’s probes, on its way out, or in calls that were not counted`
        : `${ran}, in calls that take long${mostInCall(facts, 'time')}`;
    },
    next: ({ thread: { tid } }) => `perf record -g -t ${tid} -- sleep 5`,
  },
  {
    id: 'user-code',
    atStake: (facts) => {
      const { userNs } = facts.thread.budget;
      return when(reaches(userNs, facts, limits.userShare), userNs);
    },
    says(facts) {
      const { budget } = facts.thread;
      const part = share(budget.userNs, facts);
      return budget.kernelOutsideCallsNs === null
        ? `ran outside of system calls for ${part} of its time; how much of that was in user code is not known: too few of the timer’s ticks tell`
        : `computed in user code for ${part} of its time: that is not for the kernel to answer`;
    },
    next: ({ thread: { tid } }) => `perf record -g -t ${tid} -- sleep 5`,
  },
  {
    id: 'exceptions',
    atStake(facts) {
      const ns = facts.thread.budget.kernelOutsideCallsNs ?? 0;
      return when(reaches(ns, facts, limits.exceptionShare), ns);
    },
    says(facts) {
      const { budget, kernelOnly } = facts.thread;
      const part = share(budget.kernelOutsideCallsNs ?? 0, facts);
      if (kernelOnly)
        return `worked in the kernel for its process for ${part} of its time, by what that asked for before`;
      const kinds = faultKinds(facts);
      const by = kinds === null ? 'no page faults were counted' : `page faults: ${kinds}`;
      const rate = callRate(facts);
      const calls =
        rate >= limits.noticedCallsPerSecond
          ? `; ${wholeNumber(rate)} calls a second, each with its way in and out`
          : '';
      return `was in the kernel outside of system calls, in page faults, other exceptions or at the ends of calls, for ${part} of its time; ${by}${calls}`;
    },
    next: ({ thread: { tid } }) => `perf record -g -t ${tid} -- sleep 5`,
  },
  {
    id: 'stopped',
    atStake: ({ thread: { budget } }) => when(budget.stoppedNs >= limits.stoppedNs, budget.stoppedNs),
    says: (facts) =>
      `was stopped for ${share(facts.thread.budget.stoppedNs, facts)} of its time (${shortTime(facts.thread.budget.stoppedNs)}): by a signal or a debugger`,
    next: ({ thread: { pid, tid } }) => `grep -E '^(State|TracerPid):' /proc/${pid}/task/${tid}/status`,
  },
  {
    id: 'frozen',
    atStake: ({ thread: { budget } }) => when(budget.frozenNs >= limits.stoppedNs, budget.frozenNs),
    says: (facts) =>
      `was frozen for ${share(facts.thread.budget.frozenNs, facts)} of its time (${shortTime(facts.thread.budget.frozenNs)}): by the freezer of its control group, or with the machine`,
    next: ({ thread: { pid } }) => `cat /proc/${pid}/cgroup`,
  },
  {
    id: 'page-faults',
    atStake(facts) {
      const { faults, kernelOnly } = facts.thread;
      if (kernelOnly) return null;
      const count = faultCount(faults);
      const areMany = count >= limits.leastEvents && count >= limits.faultsPerSecond * (facts.wallNs / 1e9);
      return when(reaches(faults.blockedNs, facts, limits.faultShare) || areMany, faults.blockedNs);
    },
    says(facts) {
      const { faults } = facts.thread;
      const kinds = faultKinds(facts);
      if (!reaches(faults.blockedNs, facts, limits.faultShare)) {
        const rate = wholeNumber(Math.round(faultCount(faults) / (facts.wallNs / 1e9)));
        return `had ${rate} page faults a second (${kinds})`;
      }
      const part = share(faults.blockedNs, facts);
      if (mayBeFaults(facts))
        return `was blocked outside of system calls, in page faults and the like, for ${part} of its time; page faults: ${kinds}`;
      return `was blocked outside of system calls for ${part} of its time; ${whyNotFaults(facts)}: it may be what calls leave for their end, as the closing of files`;
    },
    next: (facts) =>
      reaches(facts.thread.faults.blockedNs, facts, limits.faultShare) && !mayBeFaults(facts)
        ? `kdelay capture -p ${facts.thread.pid} --off-cpu --sample-time 5`
        : `perf record -e page-faults -g -p ${facts.thread.pid} -- sleep 5`,
  },
  {
    id: 'long-poll',
    atStake({ thread: { longPoll }, windowNs }) {
      const longest = longPoll.maxNs ?? 0;
      const isMuch = longest >= limits.longPollNoticedNs && longest >= limits.longPollShare * windowNs;
      return when(longest >= limits.longPollNs || isMuch, longest);
    },
    says(facts) {
      const { count, totalNs, maxNs } = facts.thread.longPoll;
      const outside = `was outside its poll for up to ${shortTime(maxNs ?? 0)}`;
      return `${outside} (${times(count)}, ${shortTime(mean(totalNs, count))} on average): ${outsidePoll(facts)}`;
    },
    next: ({ thread: { pid } }) =>
      `kdelay capture -p ${pid} -s ${limits.slowCallNs} --skip-syscall-poll-events --off-cpu --sample-time 5`,
  },
];

/** About the machine; its sentence is whole. */
export interface MachineRule {
  readonly id: 'steal';
  readonly atStake: (sample: Evidence, cpus: number) => number | null;
  readonly says: (sample: Evidence, cpus: number) => string;
  readonly next: string;
}

export const machineRules: readonly MachineRule[] = [
  {
    id: 'steal',
    atStake({ stealNs, windowNs }, cpus) {
      const stolen = stealNs ?? 0;
      return when(stolen >= limits.leastStealNs && stolen >= limits.stealShare * windowNs * cpus, stolen);
    },
    says: ({ stealNs, windowNs }, cpus) =>
      `The hypervisor took ${wholePercent(stealNs ?? 0, windowNs * cpus)} of this machine’s CPU time (${shortTime(stealNs ?? 0)}): what ran then seems to have run for longer`,
    next: 'vmstat 1 5',
  },
];
