/** Rules of threads that wait: each with one that provokes it, and one that is nearly the same. */
import { away, blocked, type Case, call, ms, ranInstead, thread, unpolled, waits } from './threads.js';

export const waitingCases: readonly Case[] = [
  {
    rule: 'waits-for-cpu',
    title: 'a fifth of the time ready, by another process',
    provokes: thread(
      { userNs: 100 * ms, readyPreemptedNs: 100 * ms },
      { ready: waits(100 * ms, 9 * ms), ranInstead: ranInstead({}) },
    ),
    not: thread({ userNs: 100 * ms, readyPreemptedNs: 20 * ms }, { ready: waits(20 * ms, 9 * ms) }),
    text: /^worker \(tid 101\) waited for a CPU for 20 % of its time, up to 9 ms at a time: noisy \(tid 401, pid 400, control group \/system\.slice\/noisy\.service\) had it for 80 % of that, on CPU 3 most\.$/,
    next: /^ps -L -o \S+ -p 100,400$/,
  },
  {
    rule: 'waits-for-cpu',
    title: 'a wait that the window cuts: who had the CPU in another one is not accused',
    provokes: thread(
      { readyPreemptedNs: 442 * ms },
      {
        ready: { ...waits(2 * ms, 2 * ms), clippedNs: 440 * ms },
        ranInstead: ranInstead({ comm: 'innocent' }, 2 * ms),
      },
    ),
    not: thread({ readyPreemptedNs: 8 * ms }, { ready: { ...waits(2 * ms, 2 * ms), clippedNs: 6 * ms } }),
    text: /for 88 % of its time, at least 220 ms at a time: who had it is not known of over 99 % of that, which the window’s edges cut\.$/,
    next: /^ps -eLo /,
  },
  {
    rule: 'waits-for-cpu',
    title: 'one long wait, and nobody knows for whom',
    provokes: thread(
      { readyWokenNs: 11 * ms },
      { ready: waits(11 * ms, 11 * ms), ranInstead: ranInstead(null) },
    ),
    not: thread({ readyWokenNs: 11 * ms }, { ready: waits(11 * ms, 6 * ms), ranInstead: ranInstead(null) }),
    text: /up to 11 ms at a time: who had it is not known\.$/,
    next: /^ps -eLo /,
  },
  {
    rule: 'waits-for-cpu',
    title: 'a quota that is used up',
    provokes: thread(
      { userNs: 100 * ms, readyPreemptedNs: 80 * ms },
      { ready: waits(80 * ms, 60 * ms), ranInstead: ranInstead({ pid: 0, tid: 0, comm: 'swapper/3' }) },
    ),
    not: thread({ userNs: 100 * ms }),
    text: /its CPU was idle for 100 % of that, on CPU 3 most: a quota of its control group/,
    next: /^grep throttled .*\/proc\/100\/cgroup.*cpu\.stat"$/,
  },
  {
    rule: 'waits-for-cpu',
    title: 'soft interrupts that ksoftirqd does',
    provokes: thread(
      { readyPreemptedNs: 80 * ms },
      {
        ready: waits(80 * ms, 3 * ms),
        ranInstead: ranInstead({ pid: 22, tid: 22, comm: 'ksoftirqd/3', cgroup: null }),
      },
    ),
    not: thread({ readyPreemptedNs: 8 * ms }, { ready: waits(8 * ms, 3 * ms) }),
    text: /ksoftirqd\/3 \(tid 22, pid 22, that is soft interrupts\) had it/,
    next: /-p 100,22$/,
  },
  {
    rule: 'waits-for-cpu',
    title: 'a task of another pid namespace, which has no pid here',
    provokes: thread(
      { readyPreemptedNs: 80 * ms },
      { ready: waits(80 * ms, 3 * ms), ranInstead: ranInstead({ pid: 0, tid: 0, comm: 'x', cgroup: null }) },
    ),
    not: thread({ readyPreemptedNs: 8 * ms }, { ready: waits(8 * ms, 3 * ms) }),
    text: /: x \(of another pid namespace\) had it for 100 % of that/,
    next: /^ps -eLo /,
  },
  {
    rule: 'waits-for-cpu',
    title: 'a sibling',
    provokes: thread(
      { readyPreemptedNs: 80 * ms },
      { ready: waits(80 * ms, 3 * ms), ranInstead: ranInstead({ pid: 100, tid: 102, comm: 'sibling' }) },
    ),
    not: thread({ readyPreemptedNs: 8 * ms }, { ready: waits(8 * ms, 3 * ms) }),
    text: /sibling \(tid 102, of the same process/,
    next: /-p 100$/,
  },
  {
    rule: 'lock',
    title: 'a loop that has a poll to be idle in',
    provokes: thread(
      { userNs: 10 * ms, blockedNs: 100 * ms },
      {
        syscalls: [call('futex', 100 * ms)],
        // More than half of the lock's, even if all that it waited elsewhere was ended by the same.
        wokenBy: [{ by: 'task', name: 'holder', pid: 100, tid: 103, count: 9, blockedNs: 450 * ms }],
      },
    ),
    not: thread({ userNs: 10 * ms, blockedNs: 40 * ms }, { syscalls: [call('futex', 40 * ms)] }),
    text: /futex and the like\) for 20 % of its time: likely a lock, as it polls when it has nothing to do; mostly woken by holder \(tid 103\)\.$/,
    next: /^kdelay capture -p 100 --off-cpu /,
  },
  {
    rule: 'lock',
    title: 'a lock of which nobody knows who ended it: who ended other waits is not accused',
    provokes: thread(
      { userNs: 10 * ms, blockedNs: 350 * ms },
      {
        syscalls: [call('futex', 100 * ms), call('read', 250 * ms)],
        wokenBy: [
          { by: 'task', name: 'pipewriter', pid: 100, tid: 8, count: 9, blockedNs: 250 * ms },
          { by: 'task', name: 'holder', pid: 100, tid: 103, count: 9, blockedNs: 100 * ms },
        ],
      },
    ),
    not: thread({ userNs: 10 * ms, blockedNs: 40 * ms }, { syscalls: [call('futex', 40 * ms)] }),
    text: /for 20 % of its time: likely a lock, as it polls when it has nothing to do\.$/,
    next: /^kdelay capture -p 100 --off-cpu /,
  },
  {
    rule: 'lock',
    title: 'a worker that works half of the time, but not one that hardly ever does',
    provokes: unpolled(
      thread({ userNs: 250 * ms, blockedNs: 250 * ms }, { syscalls: [call('futex', 250 * ms)] }),
    ),
    not: unpolled(thread({ userNs: 10 * ms, blockedNs: 490 * ms }, { syscalls: [call('futex', 490 * ms)] })),
    text: /for 50 % of its time: a lock, or nothing to do\.$/,
    next: /^kdelay capture -p 100 --off-cpu /,
  },
  {
    rule: 'slow-call',
    title: 'a long fsync',
    provokes: thread(blocked(60 * ms), { syscalls: [call('fsync', 60 * ms)] }),
    not: thread(blocked(60 * ms), { syscalls: [call('fsync', 60 * ms, { count: 60, maxNs: ms })] }),
    text: /^worker \(tid 101\) was in one fsync for 60 ms\. Of all its time there: 100 % blocked, for a disk or a file system\.$/,
    next: /^kdelay capture -p 100 -s 10000000 --syscall fsync --sample-time 5$/,
  },
  {
    rule: 'slow-call',
    title: 'a call that the window cuts, but not one that a CPU was missing in',
    provokes: thread(blocked(500 * ms), {
      syscalls: [call('fdatasync', 0, { count: 0, inFlightNs: 500 * ms, blockedNs: 500 * ms })],
    }),
    not: thread(
      { readyWokenNs: 60 * ms },
      { syscalls: [call('fsync', 60 * ms, { blockedNs: 0, readyNs: 60 * ms })] },
    ),
    text: /was in one fdatasync for at least 500 ms/,
    next: /--syscall fdatasync /,
  },
  {
    rule: 'slow-call',
    title: 'one of two that an edge cuts each',
    provokes: thread(blocked(40 * ms), {
      syscalls: [call('fsync', 0, { count: 0, inFlightNs: 40 * ms, blockedNs: 40 * ms })],
    }),
    not: thread(blocked(16 * ms), {
      syscalls: [call('fsync', 0, { count: 0, inFlightNs: 16 * ms, blockedNs: 16 * ms })],
    }),
    text: /was in one fsync for at least 20 ms/,
    next: /--syscall fsync /,
  },
  {
    rule: 'slow-call',
    title: 'a long answer, but not a thread that waits for requests',
    provokes: thread(blocked(100 * ms), { syscalls: [call('recvfrom', 100 * ms)] }),
    not: unpolled(thread(blocked(499 * ms), { syscalls: [call('recvfrom', 499 * ms)] })),
    text: /was in one recvfrom for 100 ms\. .* or an other end that had nothing to say\.$/,
    next: /--syscall recvfrom /,
  },
  {
    rule: 'slow-call',
    title: 'reads that a disk ends, but not those that a terminal does',
    provokes: unpolled(
      thread(blocked(499 * ms), {
        syscalls: [call('read', 499 * ms, { count: 10, maxNs: 50 * ms })],
        wokenBy: [{ by: 'hard irq', name: 'nvme0q1', pid: 0, tid: 0, count: 10, blockedNs: 499 * ms }],
      }),
    ),
    not: unpolled(
      thread(blocked(499 * ms), {
        syscalls: [call('read', 499 * ms, { count: 10, maxNs: 50 * ms })],
        wokenBy: [{ by: 'task', name: 'kworker/0:1', pid: 9, tid: 9, count: 10, blockedNs: 499 * ms }],
      }),
    ),
    text: /was in one read for 50 ms/,
    next: /--syscall read /,
  },
  {
    rule: 'stopped',
    title: 'a debugger',
    provokes: thread({ stoppedNs: 300 * ms }),
    not: thread({ stoppedNs: ms / 2 }),
    text: /was stopped for 60 % of its time \(300 ms\)/,
    next: /\/proc\/100\/task\/101\/status$/,
  },
  {
    rule: 'page-faults',
    title: 'time blocked in them',
    provokes: thread(blocked(50 * ms), { faults: { minor: null, major: 1200, blockedNs: 50 * ms } }),
    not: thread(blocked(5 * ms), { faults: { minor: 100, major: 12, blockedNs: 5 * ms } }),
    text: /for 10 % of its time; page faults: 1,200 with a read from a disk, an unknown number without\.$/,
    next: /^perf record -e page-faults -g -p 100 /,
  },
  {
    rule: 'page-faults',
    title: 'a read that a disk answers late',
    provokes: thread(blocked(450 * ms), { faults: { minor: 2, major: 1, blockedNs: 450 * ms } }),
    not: thread(blocked(9 * ms), { faults: { minor: 2, major: 1, blockedNs: 9 * ms } }),
    text: /calls, in page faults and the like, for 90 % of its time; page faults: 1 with a read from a disk, 2 without\.$/,
    next: /^perf record -e page-faults -g -p 100 /,
  },
  {
    rule: 'page-faults',
    title: 'time blocked as calls end, with faults that cannot account for it',
    provokes: thread(blocked(450 * ms), { faults: { minor: 2, major: 0, blockedNs: 450 * ms } }),
    not: thread(blocked(9 * ms), { faults: { minor: 2, major: 0, blockedNs: 9 * ms } }),
    text: /was blocked outside of system calls for 90 % of its time; its page faults \(0 with a read from a disk, 2 without\) are too few for that: it may be what calls leave for their end, as the closing of files\.$/,
    next: /^kdelay capture -p 100 --off-cpu --sample-time 5$/,
  },
  {
    rule: 'page-faults',
    title: 'as many faults as the time allows, without a read',
    provokes: thread(blocked(450 * ms), { faults: { minor: 9, major: 0, blockedNs: 450 * ms } }),
    not: thread(blocked(9 * ms), { faults: { minor: 9, major: 0, blockedNs: 9 * ms } }),
    text: /calls, in page faults and the like, for 90 % of its time; page faults: 0 with a read from a disk, 9 without\.$/,
    next: /^perf record -e page-faults -g -p 100 /,
  },
  {
    rule: 'page-faults',
    title: 'no faults at all',
    provokes: thread(blocked(50 * ms), { faults: { minor: 0, major: 0, blockedNs: 50 * ms } }),
    not: thread(blocked(9 * ms), { faults: { minor: 0, major: 0, blockedNs: 9 * ms } }),
    text: /calls for 10 % of its time; no page faults were counted: it may be what calls leave for their end, as the closing of files\.$/,
    next: /^kdelay capture -p 100 --off-cpu --sample-time 5$/,
  },
  {
    rule: 'page-faults',
    title: 'faults that the kernel does not count',
    provokes: thread(blocked(50 * ms), { faults: { minor: null, major: null, blockedNs: 50 * ms } }),
    not: thread(blocked(9 * ms), { faults: { minor: null, major: null, blockedNs: 9 * ms } }),
    text: /calls for 10 % of its time; how many page faults it had is not known: it may be what calls/,
    next: /^kdelay capture -p 100 --off-cpu --sample-time 5$/,
  },
  {
    rule: 'page-faults',
    title: 'very many of them',
    provokes: thread({ userNs: 100 * ms }, { faults: { minor: 50_000, major: 0, blockedNs: 0 } }),
    not: thread({ userNs: 100 * ms }, { faults: { minor: 5000, major: 0, blockedNs: 0 } }),
    text: / had 100,000 page faults a second \(0 with a read from a disk, 50,000 without\)\.$/,
    next: /page-faults/,
  },
  {
    rule: 'long-poll',
    title: 'a loop that was away for most of the window',
    provokes: thread(
      { userNs: 200 * ms, blockedNs: 100 * ms },
      { syscalls: [call('futex', 100 * ms)], longPoll: away(290 * ms) },
    ),
    not: thread({ userNs: 200 * ms }, { longPoll: away(190 * ms) }),
    text: /outside its poll for up to 290 ms \(2 times, 150 ms on average\): outside of poll and sleep its time went 67 % in user code, 33 % blocked in futex\.$/,
    next: /--skip-syscall-poll-events --off-cpu/,
  },
];
