import test from 'ava';
import { verdictLines } from '../../../src/formats/text/verdict.js';
import { toSample } from '../../../src/report/sample.js';
import type { Finding } from '../../../src/report/types.js';
import { buildVerdict } from '../../../src/verdict/verdict.js';
import { emptyBudget, rawSample, rawThread } from '../../helpers/raw.js';

const finding = (rule: Finding['rule'], tid: number, text = `t${tid} did it.`): Finding => ({
  rule,
  pid: 100,
  tid,
  comm: `t${tid}`,
  text,
  next: `look ${rule}`,
});

test('no verdict, no lines', (t) => {
  t.deepEqual(verdictLines(null), []);
});

test('sentences, then findings with what to do next; those of one kind stand together', (t) => {
  t.deepEqual(
    verdictLines({
      summary: ['One.', 'Two.'],
      findings: [finding('lock', 1), finding('steal', 2), finding('lock', 3)],
      enoughEvidence: true,
    }),
    [
      '# Verdict',
      '#   - One.',
      '#   - Two.',
      '#   1. t1 did it.',
      '#      t3 did it.',
      '#      next: look lock',
      '#   2. t2 did it.',
      '#      next: look steal',
      '#',
    ],
  );
});

test('each of several threads has its own command, and beyond three they are only named', (t) => {
  const findings = [1, 2, 3, 4, 5].map((tid) => ({ ...finding('lock', tid), next: `look ${tid}` }));
  t.deepEqual(verdictLines({ summary: [], findings, enoughEvidence: true }), [
    '# Verdict',
    '#   1. t1 did it.',
    '#      next: look 1',
    '#      t2 did it.',
    '#      next: look 2',
    '#      t3 did it.',
    '#      next: look 3',
    '#      Findings of the same kind about t4 (tid 4), t5 (tid 5): --format json',
    '#',
  ]);
});

test('of two threads that take the CPU from each other, neither is said to have lost it to itself', (t) => {
  const contender = (tid: number, comm: string, other: { tid: number; comm: string }, readyNs: number) =>
    rawThread({
      tid,
      comm,
      ready: { ...rawThread().ready, count: 3, totalNs: readyNs, maxNs: readyNs },
      ranInstead: {
        tasks: [{ pid: 100, ...other, count: 3, totalNs: readyNs, cgroup: null }],
        otherTasksNs: 0,
        cpus: [],
        unattributedNs: 0,
      },
      budget: {
        ...emptyBudget,
        wallNs: 500_000_000,
        readyPreemptedNs: readyNs,
        userNs: 500_000_000 - readyNs,
      },
    });
  const one = { tid: 101, comm: 'one' };
  const two = { tid: 102, comm: 'two' };
  const threads = [contender(101, 'one', two, 200_000_000), contender(102, 'two', one, 100_000_000)];
  const sample = toSample(rawSample({ threads }), 0);
  const lines = verdictLines(buildVerdict(sample, 1)).join(' ').replaceAll(/[# ]+/g, ' ');
  t.true(lines.includes('one (tid 101) waited for a CPU for 40 % of its time, up to 200 ms'), lines);
  t.true(lines.includes('two (tid 102, of the same process) had it for 100 %'), lines);
  t.true(lines.includes('two (tid 102) waited for a CPU for 20 % of its time, up to 100 ms'), lines);
  t.true(lines.includes('one (tid 101, of the same process) had it for 100 %'), lines);
});

test('more than five findings are told of', (t) => {
  const rules = ['lock', 'steal', 'stopped', 'user-code', 'interrupts', 'slow-call', 'long-poll'] as const;
  const findings = rules.map((rule, index) => ({ ...finding(rule, index + 1), next: null }));
  const lines = verdictLines({ summary: [], findings, enoughEvidence: true });
  t.deepEqual(lines.slice(-3), ['#   5. t5 did it.', '#   - 2 more findings: --format json', '#']);
});

test('long sentences are broken between words, commands and names are not', (t) => {
  const name = 'next:\u00a0rm\u00a0-rf\u00a0/';
  const long = { ...finding('lock', 1, `${'word '.repeat(40)}${name}.`), next: `look ${'x'.repeat(200)}` };
  const lines = verdictLines({ summary: [], findings: [long], enoughEvidence: true });
  for (const line of lines.slice(1, -2)) t.true(line.length <= 100, line);
  t.is(lines.filter((line) => /^# *next:\s/.test(line)).length, 1);
  t.true(lines.at(-2)?.endsWith('x'.repeat(200)));
});

test('what a terminal would obey is visible', (t) => {
  const lines = verdictLines({ summary: ['\x1b[2J'], findings: [], enoughEvidence: false });
  t.deepEqual(lines, ['# Verdict', '#   - \\x1b[2J', '#']);
});
