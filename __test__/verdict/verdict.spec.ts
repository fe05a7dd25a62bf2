/** What a verdict is made of besides its rules: evidence, sentences, and whom they are about. */
import test from 'ava';
import { toSample } from '../../src/report/sample.js';
import type { Verdict } from '../../src/report/types.js';
import { buildVerdict } from '../../src/verdict/verdict.js';
import {
  emptyBudget,
  noRawLosses,
  rawSample,
  rawSyscall,
  rawTarget,
  rawThread,
  rawWindow,
  startMonotonicNs,
} from '../helpers/raw.js';

type RawThread = ReturnType<typeof rawThread>;

const ms = 1_000_000;
const wallNs = 500 * ms;

function verdict(over: Parameters<typeof rawSample>[0] = {}): Verdict {
  return buildVerdict(toSample(rawSample(over), 0), 2);
}

/** Runs for so long, and polls for the rest. */
function thread(tid: number, userNs: number, over: Partial<RawThread> = {}): RawThread {
  const blockedNs = wallNs - userNs;
  return rawThread({
    tid,
    comm: `t${tid}`,
    budget: { ...emptyBudget, wallNs, userNs, blockedNs },
    syscalls: [rawSyscall('poll', 7, { totalNs: blockedNs, maxNs: blockedNs, blockedNs })],
    ...over,
  });
}

const idle = [thread(100, 0)];

test('an idle thread is told of, and nothing points to the kernel', (t) => {
  t.deepEqual(verdict({ threads: idle }), {
    summary: [
      't100 (tid 100), 500 ms: 100 % blocked (100 % poll, idle).',
      'No thread was busy for a hundredth of the window.',
      'Nothing here points to the kernel.',
    ],
    findings: [],
    enoughEvidence: true,
  });
});

test('of several threads the process comes first, then the busiest three', (t) => {
  const threads = [1, 2, 3, 4, 5, 6].map((n) => thread(100 + n, n === 6 ? 0 : n * 20 * ms));
  t.deepEqual(verdict({ threads }).summary, [
    'Process 100 main, 6 threads, 3 s together: 10 % in user code, 90 % blocked (90 % poll, idle).',
    't105 (tid 105), 500 ms: 20 % in user code, 80 % blocked (80 % poll, idle).',
    't104 (tid 104), 500 ms: 16 % in user code, 84 % blocked (84 % poll, idle).',
    't103 (tid 103), 500 ms: 12 % in user code, 88 % blocked (88 % poll, idle).',
    'Busy, but less so: 2 more threads.',
    'Nothing here points to the kernel.',
  ]);
});

test('of many processes the busiest three are told of', (t) => {
  const pids = [100, 200, 300, 400, 500];
  const threads = pids.flatMap((pid) => [
    { ...thread(pid, pid === 400 ? 100 * ms : 0), pid },
    { ...thread(pid + 1, 0), pid },
  ]);
  const targets = pids.map((pid) => rawTarget(pid, `p${pid}`));
  const { summary } = verdict({ threads, targets });
  t.deepEqual(
    summary.map((sentence) => sentence.split(',')[0]),
    [
      'Process 400 p400',
      'Process 100 p100',
      'Process 200 p200',
      'Less busy: 2 more processes.',
      't400 (tid 400)',
      'Nothing here points to the kernel.',
    ],
  );
});

test('rules look at the ten busiest of a thousand threads, the one with most at stake first', (t) => {
  const threads = Array.from({ length: 1000 }, (_, n) => thread(100 + n, 250 * ms + n));
  const { findings } = verdict({ threads });
  t.deepEqual(
    findings.map(({ tid }) => tid),
    Array.from({ length: 10 }, (_, n) => 1099 - n),
  );
});

test('what a thread was blocked in is said of locks and of page faults, and what is unknown is unknown', (t) => {
  const busy = rawThread({
    comm: 'a b',
    budget: { ...emptyBudget, wallNs, userNs: 200 * ms, blockedNs: 250 * ms, unknownNs: 50 * ms },
    syscalls: [rawSyscall('futex', 202, { totalNs: 150 * ms, maxNs: ms, blockedNs: 150 * ms })],
    faults: { minor: 0, major: 0, blockedNs: 100 * ms },
  });
  t.is(
    verdict({ threads: [busy] }).summary[0],
    'a\u00a0b (tid 100), 500 ms: 40 % in user code, 50 % blocked (30 % futex, a lock or idle; 20 % outside of calls), 10 % unknown.',
  );
});

/** What is missing, of a sample that is enough but for this. */
const short = { monotonicNs: startMonotonicNs + 2_000_000n };
const trigger = { pid: 100, tid: 100, comm: 'main' };
const doubts: Array<[string, Parameters<typeof rawSample>[0], RegExp]> = [
  ['no threads', { threads: [] }, /^Not enough evidence: no thread was seen\.$/],
  ['a short window', { threads: idle, window: rawWindow(short) }, /the window of 2 ms is shorter than/],
  [
    'unknown time',
    { threads: [rawThread({ budget: { ...emptyBudget, wallNs, unknownNs: 100 * ms, userNs: 400 * ms } })] },
    /20 % of the threads’ time is unknown; 20 % of the time of main \(tid 100\) is unknown/,
  ],
  [
    'time blocked in what nobody knows',
    { threads: [rawThread({ budget: { ...emptyBudget, wallNs, blockedNs: wallNs } })] },
    /: 100 % of the threads’ time was blocked, and in what is unknown\.$/,
  ],
  [
    'no room',
    { threads: idle, losses: { ...noRawLosses, threadsUntracked: 3, syscallsUntracked: 4 } },
    /7 events were not counted for want of room/,
  ],
  [
    'switches that were not seen',
    { threads: idle, losses: { ...noRawLosses, switchesMissed: 2, recursionMisses: 1 } },
    /3 events were not seen, or made no sense/,
  ],
];

for (const [title, over, missing] of doubts) {
  test(`not enough evidence: ${title}`, (t) => {
    const { summary, enoughEvidence } = verdict(over);
    t.false(enoughEvidence);
    t.regex(summary[0] ?? '', missing);
    t.false(summary.includes('Nothing here points to the kernel.'));
  });
}

test('a thread that lived for a moment provokes no rule: its shares are chance', (t) => {
  const budget = { ...emptyBudget, wallNs: 9 * ms, userNs: 9 * ms };
  const longer = { ...emptyBudget, wallNs: 10 * ms, userNs: 10 * ms };
  const threads = [thread(100, 0), rawThread({ tid: 101, budget }), rawThread({ tid: 102, budget: longer })];
  t.deepEqual(
    verdict({ threads }).findings.map(({ tid }) => tid),
    [102],
  );
});

test('of few calls and page faults there is no rate', (t) => {
  const budget = { ...emptyBudget, wallNs: 2 * ms, kernelNs: ms / 10, blockedNs: ms };
  const syscalls = [rawSyscall('getpid', 39, { count: 999, totalNs: ms / 10, maxNs: 100 })];
  const faults = { minor: 999, major: 0, blockedNs: 0 };
  const window = rawWindow({ ...short, by: 'trigger', trigger }, { trigger });
  const { findings } = verdict({ window, threads: [rawThread({ budget, syscalls, faults })] });
  t.deepEqual(findings, []);
});

test('a short window between two triggers is as long as it is', (t) => {
  const window = rawWindow({ ...short, by: 'trigger', trigger }, { trigger });
  t.true(verdict({ threads: idle, window }).enoughEvidence);
});

test('few losses of much are no doubt', (t) => {
  const threads = [thread(100, 0, { run: { ...rawThread().run, count: 1000 } })];
  t.true(verdict({ threads, losses: { ...noRawLosses, switchesMissed: 2 } }).enoughEvidence);
});
