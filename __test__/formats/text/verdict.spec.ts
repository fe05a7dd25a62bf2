import test from 'ava';
import { verdictLines } from '../../../src/formats/text/verdict.js';
import type { Finding } from '../../../src/report/types.js';

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

test('sentences, then findings with what to do next; what is said of several threads is said once', (t) => {
  t.deepEqual(
    verdictLines({
      summary: ['One.', 'Two.'],
      findings: [finding('lock', 1), finding('steal', 2), finding('lock', 3), finding('lock', 4)],
      enoughEvidence: true,
    }),
    [
      '# Verdict',
      '#   - One.',
      '#   - Two.',
      '#   1. t1 did it.',
      '#      The same goes for t3 (tid 3), t4 (tid 4).',
      '#      next: look lock',
      '#   2. t2 did it.',
      '#      next: look steal',
      '#',
    ],
  );
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
