/** Rules of threads that run: each with one that provokes it, and one that is nearly the same. */
import { type Case, ms, shorts, thread } from './threads.js';

export const runningCases: readonly Case[] = [
  {
    rule: 'interrupts',
    title: 'a storm of soft ones',
    provokes: thread(
      { userNs: 100 * ms, softIrqNs: 40 * ms, hardIrqNs: 10 * ms },
      {
        softIrqs: [{ name: 'net_rx', vector: 3, count: 900, totalNs: 40 * ms, maxNs: ms }],
        hardIrqs: [{ name: 'eth0', irq: 30, count: 900, totalNs: 10 * ms, maxNs: ms }],
      },
    ),
    not: thread({ userNs: 100 * ms, softIrqNs: 20 * ms }),
    text: /interrupted for 10 % of its time, most by net_rx \(soft irq, 900 times\)\.$/,
    next: /softirqs$/,
  },
  {
    rule: 'interrupts',
    title: 'a storm of those of other CPUs',
    provokes: thread(
      { userNs: 100 * ms, hardIrqNs: 40 * ms },
      { localIrqs: [{ name: 'TLB shootdown', vector: 250, count: 1, totalNs: 40 * ms, maxNs: ms }] },
    ),
    not: thread({ userNs: 100 * ms, hardIrqNs: 4 * ms }),
    text: /most by TLB.shootdown \(local irq, once\)\.$/,
    next: /interrupts$/,
  },
  {
    rule: 'many-calls',
    title: 'a third of the time in short calls',
    provokes: thread({ kernelNs: 150 * ms }, { syscalls: [shorts(75_000, 2000)] }),
    not: thread({ kernelNs: 150 * ms }, { syscalls: [shorts(75, 2 * ms)] }),
    text: /made 150,0\d\d system calls a second, 2 us on the CPU each, 30 % of its time, most in sendmsg \(over 99 % of the calls\)\.$/,
    next: /^kdelay capture -p 100 -s 0 --syscall sendmsg --event-limit 1000 /,
  },
  {
    rule: 'many-calls',
    title: 'very many that are hardly seen',
    provokes: thread({ kernelNs: 15 * ms }, { syscalls: [shorts(75_000, 200)] }),
    not: thread({ kernelNs: 15 * ms }, { syscalls: [shorts(7500, 2000)] }),
    text: /200 ns on the CPU each, 3 % of its time/,
    next: /--syscall sendmsg /,
  },
  {
    rule: 'kernel-code',
    title: 'a third of the time in long calls',
    provokes: thread({ kernelNs: 150 * ms }, { syscalls: [shorts(75, 2 * ms)] }),
    not: thread({ kernelNs: 50 * ms }, { syscalls: [shorts(25, 2 * ms)] }),
    text: /ran in the kernel for 30 % of its time, in calls that take long, most in sendmsg \(100 % of that\)\.$/,
    next: /^perf record -g -t 101 /,
  },
  {
    rule: 'user-code',
    title: 'most of the time computing',
    provokes: thread({ userNs: 400 * ms }),
    not: thread({ userNs: 200 * ms }),
    text: /computed in user code for 80 % of its time: that is not for the kernel to answer\.$/,
    next: /^perf record -g -t 101 /,
  },
  {
    rule: 'user-code',
    title: 'what cannot be told from the kernel is not called so',
    provokes: thread({ userNs: 400 * ms, kernelOutsideCallsNs: null }),
    not: thread({ userNs: 200 * ms, kernelOutsideCallsNs: 200 * ms }),
    text: /ran outside of system calls for 80 % of its time; how much of that was in user code is not known/,
    next: /^perf record -g -t 101 /,
  },
  {
    rule: 'frozen',
    title: 'for half of the time',
    provokes: thread({ frozenNs: 250 * ms }),
    not: thread({ stoppedNs: 250 * ms }),
    text: /was frozen for 50 % of its time \(250 ms\): by the freezer of its control group, or with the machine\.$/,
    next: /^cat \/proc\/100\/cgroup$/,
  },
  {
    rule: 'exceptions',
    title: 'most of the time in page faults',
    provokes: thread(
      { userNs: 100 * ms, kernelOutsideCallsNs: 300 * ms },
      { faults: { minor: 9000, major: 0, blockedNs: 0 } },
    ),
    not: thread({ userNs: 400 * ms, kernelOutsideCallsNs: null }),
    text: /in the kernel outside of system calls, in page faults, other exceptions or at the ends of calls, for 60 % of its time; page faults: 0 with a read from a disk, 9,000 without\.$/,
    next: /^perf record -g -t 101 /,
  },
  {
    rule: 'exceptions',
    title: 'a thread that never leaves the kernel',
    provokes: thread({ kernelOutsideCallsNs: 300 * ms }, { kernelOnly: true }),
    not: thread({ kernelOutsideCallsNs: 20 * ms }, { kernelOnly: true }),
    text: /worked in the kernel for its process for 60 % of its time, by what that asked for before\.$/,
    next: /^perf record -g -t 101 /,
  },
];
