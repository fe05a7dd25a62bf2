/** The verdict at the head of a sample: sentences, then findings with what to do next. Each line begins as remarks do, for those who cut tables out. */
import { escapeText } from '../../escape.js';
import type { Finding, Verdict } from '../../report/types.js';
import { more, who } from '../../verdict/words.js';

const prefix = '#   ';
const width = 100;

/** Nobody reads more of them; JSON has them all. */
const mostRules = 5;
const mostOfRule = 3;

/** Nothing where none was asked for. */
export function verdictLines(verdict: Verdict | null): string[] {
  if (verdict === null) return [];
  const groups = [...byRule(verdict.findings)];
  const left = groups.slice(mostRules).flat().length;
  return [
    '# Verdict',
    ...verdict.summary.flatMap((sentence) => wrapped(sentence, '- ')),
    ...groups.slice(0, mostRules).flatMap((group, index) => groupLines(group, `${index + 1}. `)),
    ...(left > 0 ? wrapped(`${more(left, 'finding', 'findings')}: --format json`, '- ') : []),
    '#',
  ];
}

/** Findings of one kind stand together, where the first of them would. */
function byRule(findings: readonly Finding[]): Iterable<Finding[]> {
  const groups = new Map<Finding['rule'], Finding[]>();
  for (const finding of findings) groups.set(finding.rule, [...(groups.get(finding.rule) ?? []), finding]);
  return groups.values();
}

/** Of each thread its own numbers, culprits and commands: what is true of one need not be so of the next. */
function groupLines(findings: readonly Finding[], bullet: string): string[] {
  const indent = ' '.repeat(bullet.length);
  const left = findings.slice(mostOfRule).map(({ comm, tid }) => who({ comm: comm ?? '', tid: tid ?? 0 }));
  return [
    ...findings.slice(0, mostOfRule).flatMap(({ text, next }, index, all) => [
      ...wrapped(text, index === 0 ? bullet : indent),
      // In one piece: it is to be copied. Once, if those that follow say the same.
      ...(next === null || next === all[index + 1]?.next
        ? []
        : [`${prefix}${indent}next: ${escapeText(next)}`]),
    ]),
    ...(left.length === 0
      ? []
      : wrapped(`Findings of the same kind about ${left.join(', ')}: --format json`, indent)),
  ];
}

/** Lines of words, the first one after a bullet. A word that is longer than a line has one for itself. */
function wrapped(sentence: string, bullet: string): string[] {
  const room = width - prefix.length - bullet.length;
  const lines: string[] = [];
  let line = '';
  for (const word of escapeText(sentence).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((text, index) => `${prefix}${index === 0 ? bullet : ' '.repeat(bullet.length)}${text}`);
}
