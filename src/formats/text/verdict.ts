/** The verdict at the head of a sample: sentences, then findings with what to do next. Each line begins as remarks do, for those who cut tables out. */
import { escapeText } from '../../escape.js';
import type { Finding, Verdict } from '../../report/types.js';
import { more, who } from '../../verdict/words.js';

const prefix = '#   ';
const width = 100;

/** Nobody reads more of them; JSON has them all. */
const most = 5;

/** Nothing where none was asked for. */
export function verdictLines(verdict: Verdict | null): string[] {
  if (verdict === null) return [];
  const groups = [...byRule(verdict.findings)];
  return [
    '# Verdict',
    ...verdict.summary.flatMap((sentence) => wrapped(sentence, '- ')),
    ...groups.slice(0, most).flatMap((group, index) => findingLines(group, `${index + 1}. `)),
    ...(groups.length > most
      ? wrapped(`${more(groups.length - most, 'finding', 'findings')}: --format json`, '- ')
      : []),
    '#',
  ];
}

/** What is said of many threads is said once, of the first. */
function byRule(findings: readonly Finding[]): Iterable<Finding[]> {
  const groups = new Map<Finding['rule'], Finding[]>();
  for (const finding of findings) groups.set(finding.rule, [...(groups.get(finding.rule) ?? []), finding]);
  return groups.values();
}

function findingLines([first, ...same]: readonly Finding[], bullet: string): string[] {
  if (first === undefined) return [];
  const indent = ' '.repeat(bullet.length);
  const others = same.map(({ comm, tid }) => who({ comm: comm ?? '', tid: tid ?? 0 })).join(', ');
  return [
    ...wrapped(first.text, bullet),
    ...(same.length === 0 ? [] : wrapped(`The same goes for ${others}.`, indent)),
    // In one piece: it is to be copied.
    ...(first.next === null ? [] : [`${prefix}${indent}next: ${escapeText(first.next)}`]),
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
