/** Each rule is provoked by one thread, and not by another one that is nearly the same. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { toSample } from '../../src/report/report.js';
import type { Finding } from '../../src/report/types.js';
import { machineRules, threadRules } from '../../src/verdict/rules.js';
import { buildVerdict } from '../../src/verdict/verdict.js';
import { emptyBudget, rawSample, rawSyscall, rawThread } from '../helpers/raw.js';

type RawThread = ReturnType<typeof rawThread>;
type Budget = RawThread['budget'];

const ms = 1_000_000;

/** Half a second; what is not given was spent in a poll. */
function thread(times: Partial<Budget>, over: Partial<RawThread> = {}): RawThread {
  const given = Object.values(times).reduce((sum, ns) => sum + ns, 0);
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
function unpolled(raw: RawThread): RawThread {
  return { ...raw, syscalls: raw.syscalls.filter(({ name }) => name !== 'epoll_wait') };
}

function waits(totalNs: number, maxNs: number): RawThread['ready'] {
  return { ...rawThread().ready, count: 3, totalNs, maxNs };
}

function ranInstead(
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
    shortNs: 0,
    unattributedNs: task === null ? totalNs : 0,
  };
}

const call = (name: string, ns: number, over: Parameters<typeof rawSyscall>[2] = {}) =>
  rawSyscall(name, 1, { count: 1, totalNs: ns, maxNs: ns, blockedNs: ns, ...over });

const blocked = (ns: number) => ({ blockedNs: ns });

const shorts = (count: number, eachNs: number) =>
  call('sendmsg', count * eachNs, { count, maxNs: eachNs, blockedNs: 0 });

const away = (maxNs: number): RawThread['longPoll'] => ({
  count: 2,
  totalNs: maxNs + 10 * ms,
  minNs: 10 * ms,
  maxNs,
  histogram: null,
});

interface Case {
  rule: Finding['rule'];
  title: string;
  provokes: RawThread;
  /** Nearly the same. */
  not: RawThread;
  text: RegExp;
  next: RegExp;
}

const cases: readonly Case[] = [
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
        wokenBy: [{ by: 'task', name: 'holder', pid: 100, tid: 103, count: 9, blockedNs: 100 * ms }],
      },
    ),
    not: thread({ userNs: 10 * ms, blockedNs: 40 * ms }, { syscalls: [call('futex', 40 * ms)] }),
    text: /futex and the like\) for 20 % of its time: likely a lock, as it polls when it has nothing to do; mostly woken by holder \(tid 103\)\.$/,
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
    text: /^worker \(tid 101\) was in one fsync for 60 ms; 100 % of all its time there it was blocked, for a disk or a file system\.$/,
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
    text: /was in one recvfrom for 100 ms; .* or an other end that had nothing to say\.$/,
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
      { vectors: [{ name: 'TLB shootdown', vector: 250, count: 1, totalNs: 40 * ms, maxNs: ms }] },
    ),
    not: thread({ userNs: 100 * ms, hardIrqNs: 4 * ms }),
    text: /most by TLB.shootdown \(local interrupt, once\)\.$/,
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
    title: 'very many of them',
    provokes: thread({ userNs: 100 * ms }, { faults: { minor: 50_000, major: 0, blockedNs: 0 } }),
    not: thread({ userNs: 100 * ms }, { faults: { minor: 5000, major: 0, blockedNs: 0 } }),
    text: /0 with a read from a disk, 50,000 without\.$/,
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
    text: /away from its poll for up to 290 ms \(2 times, 150 ms on average\): outside of poll and sleep its time went 67 % in user code, 33 % blocked in futex\.$/,
    next: /--skip-syscall-poll-events --off-cpu/,
  },
];

function findings(raw: RawThread): Finding[] {
  return buildVerdict(toSample(rawSample({ threads: [raw] }), 0), 2).findings;
}

for (const { rule, title, provokes, not, text, next } of cases) {
  test(`${rule}: ${title}`, (t) => {
    const found = findings(provokes).find((finding) => finding.rule === rule);
    t.like(found, { pid: 100, tid: 101, comm: 'worker' });
    t.regex(found?.text ?? '', text);
    t.regex(found?.next ?? '', next);
    t.false(findings(not).some((finding) => finding.rule === rule));
  });
}

test('every rule has a case', (t) => {
  for (const { id } of threadRules)
    t.true(
      cases.some(({ rule }) => rule === id),
      id,
    );
  t.deepEqual(
    machineRules.map(({ id }) => id),
    ['steal'],
  );
});

test('docs/report.md tells of every rule', (t) => {
  const page = readFileSync(new URL('../../docs/report.md', import.meta.url), 'utf8');
  for (const { id } of [...threadRules, ...machineRules]) t.true(page.includes(`| \`${id}\` |`), id);
});

test('the schema has every rule', (t) => {
  const schema = JSON.parse(
    readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
  );
  const ids = [...threadRules, ...machineRules].map(({ id }) => id);
  t.deepEqual(schema.$defs.Finding.properties.rule.enum, ids);
});

for (const [stealNs, cpus, applies] of [
  [100 * ms, 2, true],
  [100 * ms, 64, false],
  // One tick may be one that was cut.
  [10 * ms, 1, false],
  [null, 1, false],
] as const) {
  test(`steal: ${stealNs} ns of ${cpus} CPUs`, (t) => {
    const sample = toSample(rawSample({ threads: [thread({})], stealNs }), 0);
    const found = buildVerdict(sample, cpus).findings;
    t.deepEqual(
      found.map(({ rule }) => rule),
      applies ? ['steal'] : [],
    );
    if (!applies) return;
    t.deepEqual([found[0]?.pid, found[0]?.tid, found[0]?.comm], [null, null, null]);
    t.regex(found[0]?.text ?? '', /^The hypervisor took 10 % of this machine’s CPU time \(100 ms\)/);
  });
}

test('an idle thread provokes no rule', (t) => {
  t.deepEqual(findings(thread({ userNs: ms })), []);
  t.deepEqual(findings(unpolled(thread(blocked(500 * ms), { syscalls: [call('futex', 500 * ms)] }))), []);
  t.deepEqual(findings(rawThread()), []);
});

test('no command holds a name that somebody chose', (t) => {
  const hostile = '$(reboot) `x`; next: y';
  const task = { pid: 400, tid: 401, comm: hostile, count: 1, totalNs: 100 * ms, cgroup: hostile };
  const found = findings({
    ...thread(
      { readyWokenNs: 100 * ms, blockedNs: 50 * ms, kernelNs: 150 * ms },
      {
        ready: waits(100 * ms, 50 * ms),
        ranInstead: { ...ranInstead({}), tasks: [task] },
        syscalls: [
          rawSyscall(hostile, 1, { count: 90_000, totalNs: 200 * ms, maxNs: 50 * ms, blockedNs: 50 * ms }),
        ],
      },
    ),
    comm: hostile,
  });
  t.deepEqual(found.map(({ rule }) => rule).sort(), ['many-calls', 'slow-call', 'waits-for-cpu']);
  for (const { next, text } of found) {
    t.notRegex(next ?? '', /reboot/);
    t.notRegex(text, / next:/);
  }
});
