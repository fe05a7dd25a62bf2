/** Sections of the text report, by what they are made of. */
import test from 'ava';
import { threadSections } from '../../../src/formats/text/sections.js';
import { toSample } from '../../../src/report/sample.js';
import type { Thread } from '../../../src/report/types.js';
import {
  busyThread,
  emptyBudget,
  rawHistogram,
  rawSample,
  rawSyscall,
  rawThread,
} from '../../helpers/raw.js';

const plainly = { histograms: false };

type RawThread = Parameters<typeof rawThread>[0];

function toThread(raw: ReturnType<typeof rawThread>): Thread {
  const [thread] = toSample(rawSample({ threads: [raw] }), 0).threads;
  if (thread === undefined) throw new Error('no thread');
  return thread;
}

/** Cells without the spaces between them, without the column titles. */
function rows(title: string, raw: ReturnType<typeof rawThread>): string[] {
  const section = threadSections(toThread(raw), plainly).find(
    (candidate) => candidate.title === `[${title}]`,
  );
  return (section?.lines ?? []).slice(1).map((line) => line.trim().replaceAll(/ {2,}/g, ' | '));
}

test('a thread of nothing has the three tables of the original and its budget only', (t) => {
  t.deepEqual(
    threadSections(toThread(rawThread()), plainly).map(({ title }) => title),
    ['[SYSCALL STATISTICS]', '[THREAD RUN STATISTICS]', '[THREAD READY STATISTICS]', '[TIME BUDGET]'],
  );
});

test('sections keep their order: the original’s, then what is new, the budget last', (t) => {
  t.deepEqual(
    threadSections(toThread(busyThread()), plainly).map(({ title }) => title.slice(1, -1)),
    [
      'SYSCALL STATISTICS',
      'THREAD RUN STATISTICS',
      'THREAD READY STATISTICS',
      'HARD IRQ STATISTICS',
      'SOFT IRQ STATISTICS',
      'THREAD STOPPED STATISTICS',
      'LOCAL IRQ STATISTICS',
      'LONG POLL STATISTICS',
      'PAGE FAULT STATISTICS',
      'RAN INSTEAD',
      'WOKEN BY',
      'WAITED FOR',
      'TIME BUDGET',
    ],
  );
});

test('the parts of the blocked time add up to it: five calls, the others, and what no call tells', (t) => {
  const syscalls = [1, 2, 3, 4, 5, 6].map((number) =>
    rawSyscall(`call${number}`, number, { totalNs: 100 * number, blockedNs: 10 * number }),
  );
  const budget = { ...emptyBudget, wallNs: 1000, blockedNs: 1000 };
  const faults = { minor: 0, major: 0, blockedNs: 400 };
  const parts = rows('TIME BUDGET', rawThread({ syscalls, budget, faults }));
  t.deepEqual(parts.slice(0, -4), [
    'blocked | 1,000 | 100.00',
    'blocked: outside calls | 400 | 40.00',
    'blocked: call6 | 60 | 6.00',
    'blocked: call5 | 50 | 5.00',
    'blocked: call4 | 40 | 4.00',
    'blocked: call3 | 30 | 3.00',
    'blocked: 2 others | 30 | 3.00',
    'blocked: not known | 390 | 39.00',
  ]);
});

test('the bar has fifty letters, and names those that it has', (t) => {
  const budget = {
    ...emptyBudget,
    wallNs: 1000,
    userNs: 500,
    kernelNs: 200,
    readyWokenNs: 60,
    readyPreemptedNs: 40,
    blockedNs: 100,
    stoppedNs: 40,
    hardIrqNs: 20,
    softIrqNs: 20,
    unknownNs: 20,
  };
  const bar = rows('TIME BUDGET', rawThread({ budget })).slice(-2);
  t.deepEqual(bar, [
    '|UUUUUUUUUUUUUUUUUUUUUUUUUKKKKKKKKKKWWWPPBBBBBSSHI?|',
    'U user | K kernel | W ready (woken) | P ready (preempted) | B blocked | S stopped | H hard irq | I soft irq | ? unknown',
  ]);
});

test('time on the CPU is what a call was neither ready, blocked nor stopped', (t) => {
  const times = { totalNs: 1000, inFlightNs: 500, readyNs: 100, blockedNs: 300, stoppedNs: 50 };
  const [call] = rows('SYSCALL STATISTICS', rawThread({ syscalls: [rawSyscall('read', 0, times)] }));
  t.is(call, 'read | 0 | 1 | 1,000 | 1,000 | 500 | 1,050 | 100 | 300 | - | - | -');
});

const noTasks = { tasks: [], otherTasksNs: 0, cpus: [], unattributedNs: 0 };
const ready = { ...rawThread().ready, count: 2, totalNs: 1000, maxNs: 900 };

for (const [title, ranInstead, expected] of [
  [
    'waits of which nothing is known',
    { ...noTasks, unattributedNs: 1000 },
    ['(not known) | 1,000 | 100.00', 'TOTAL (ready): | 1,000 | 100.00'],
  ],
  [
    'an idle CPU, and a task of another pid namespace',
    {
      ...noTasks,
      tasks: [
        { pid: 0, tid: 0, comm: 'swapper/1', count: 1, totalNs: 600, cgroup: null },
        { pid: 0, tid: 0, comm: 'elsewhere', count: 1, totalNs: 400, cgroup: '/x' },
      ],
    },
    [
      '(idle CPU) | 1 | 600 | 60.00 -',
      'elsewhere | - | - | 1 | 400 | 40.00 /x',
      'TOTAL (ready): | 1,000 | 100.00',
    ],
  ],
  [
    'several CPUs',
    {
      ...noTasks,
      otherTasksNs: 1000,
      cpus: [
        { cpu: 1, totalNs: 700 },
        { cpu: 2, totalNs: 300 },
      ],
    },
    [
      '(other tasks) | 1,000 | 100.00',
      'TOTAL (ready): | 1,000 | 100.00',
      'on CPU 1: 700 ns (70.00 %), CPU 2: 300 ns (30.00 %)',
    ],
  ],
] as const satisfies ReadonlyArray<readonly [string, NonNullable<RawThread>['ranInstead'], string[]]>) {
  test(`who ran instead, of ${title}`, (t) => {
    t.deepEqual(rows('RAN INSTEAD', rawThread({ ready, ranInstead })), [...expected]);
  });
}

test('calls that were refused stand behind those of the same name, or alone', (t) => {
  const none = { count: 0, totalNs: 0, maxNs: 0 };
  const syscalls = [
    rawSyscall('read', 0, { refused: 3, refusedErrno: 'EPERM' }),
    rawSyscall('getppid', 110, { ...none, refused: 1000 }),
  ];
  t.deepEqual(rows('SYSCALL STATISTICS', rawThread({ syscalls })).slice(0, 4), [
    'read | 0 | 1 | 1,000 | 1,000 | 0 | 1,000 | 0 | 0 | - | - | -',
    'read (refused: EPERM) | 0 | 3',
    'getppid (refused) | 110 | 1000',
    'TOTAL( - poll): | 1 | 1,000 | 0 | 1,000 | 0 | 0',
  ]);
});

test('where user code cannot be told from the kernel the budget does not', (t) => {
  const rowsOf = (kernelOutsideCallsNs: number | null) =>
    rows(
      'TIME BUDGET',
      rawThread({
        budget: { ...emptyBudget, wallNs: 1000, userNs: 400, kernelOutsideCallsNs, blockedNs: 0 },
      }),
    );
  t.is(rowsOf(null)[0], 'outside calls | 400 | 40.00');
  t.deepEqual(rowsOf(600).slice(0, 2), ['user | 400 | 40.00', 'kernel (faults, exceptions) | 600 | 60.00']);
});

test('page faults that are unknown are no section; a known count beside an unknown one is', (t) => {
  t.deepEqual(
    rows('PAGE FAULT STATISTICS', rawThread({ faults: { minor: null, major: null, blockedNs: 0 } })),
    [],
  );
  t.deepEqual(rows('PAGE FAULT STATISTICS', rawThread({ faults: { minor: 3, major: null, blockedNs: 0 } })), [
    '3 | - | 0',
  ]);
});

test('histograms stand below their tables, a bar for each power of two', (t) => {
  const run = {
    count: 1001,
    totalNs: 1001,
    minNs: 30,
    maxNs: 3e11,
    clippedNs: 0,
    histogram: rawHistogram({ 20: 500, 21: 500, 127: 1 }),
  };
  const sections = threadSections(toThread(rawThread({ run })), { histograms: true });
  t.deepEqual(
    sections[1]?.lines.slice(2).map((line) => line.trim().replaceAll(/ {2,}/g, ' | ')),
    ['FROM ns | BELOW ns | COUNT', `1,024 | 2,048 | 1,000 ${'#'.repeat(40)}`, '68,719,476,736 | - | 1 #'],
  );
});

test('histograms of calls are named', (t) => {
  const [calls] = threadSections(toThread(busyThread()), { histograms: true });
  t.deepEqual(
    calls?.lines.filter((line) => line.endsWith(':') && !line.startsWith('TOTAL')),
    ['epoll_wait:', 'sendmsg:'],
  );
});
