/** Threads that provoke rules, and what their cases are made of. */
import type { Finding } from '../../src/report/types.js';
import { emptyBudget, rawSyscall, rawThread } from '../helpers/raw.js';

export type RawThread = ReturnType<typeof rawThread>;
type Budget = RawThread['budget'];

export const ms = 1_000_000;

/** Half a second; what is not given was spent in a poll. */
export function thread(times: Partial<Budget>, over: Partial<RawThread> = {}): RawThread {
  const given = Object.values(times).reduce<number>((sum, ns) => sum + (ns ?? 0), 0);
  const idleNs = 500 * ms - given;
  const poll = rawSyscall('epoll_wait', 232, {
    count: 5,
    totalNs: idleNs,
    maxNs: idleNs,
    blockedNs: idleNs,
  });
  const budget = { ...emptyBudget, wallNs: 500 * ms, ...times };
  budget.blockedNs += idleNs;
  return rawThread({ tid: 101, comm: 'worker', ...over, budget, syscalls: [...(over.syscalls ?? []), poll] });
}

/** Without that poll. */
export function unpolled(raw: RawThread): RawThread {
  return { ...raw, syscalls: raw.syscalls.filter(({ name }) => name !== 'epoll_wait') };
}

export function waits(totalNs: number, maxNs: number): RawThread['ready'] {
  return { ...rawThread().ready, count: 3, totalNs, maxNs };
}

export function ranInstead(
  task: Partial<RawThread['ranInstead']['tasks'][number]> | null,
  totalNs = 80 * ms,
): RawThread['ranInstead'] {
  const named = {
    pid: 400,
    tid: 401,
    comm: 'noisy',
    count: 3,
    totalNs,
    cgroup: '/system.slice/noisy.service',
  };
  return {
    tasks: task === null ? [] : [{ ...named, ...task }],
    otherTasksNs: 0,
    cpus: task === null ? [] : [{ cpu: 3, totalNs }],
    unattributedNs: task === null ? totalNs : 0,
  };
}

export const call = (name: string, ns: number, over: Parameters<typeof rawSyscall>[2] = {}) =>
  rawSyscall(name, 1, { count: 1, totalNs: ns, maxNs: ns, blockedNs: ns, ...over });

export const blocked = (ns: number) => ({ blockedNs: ns });

export const shorts = (count: number, eachNs: number) =>
  call('sendmsg', count * eachNs, { count, maxNs: eachNs, blockedNs: 0 });

export const away = (maxNs: number): RawThread['longPoll'] => ({
  count: 2,
  totalNs: maxNs + 10 * ms,
  minNs: 10 * ms,
  maxNs,
  histogram: null,
});

export interface Case {
  rule: Finding['rule'];
  title: string;
  provokes: RawThread;
  /** Nearly the same. */
  not: RawThread;
  text: RegExp;
  next: RegExp;
}
