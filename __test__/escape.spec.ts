import test from 'ava';
import { escapeJson, escapeText } from '../src/escape.js';

const cases: Array<[title: string, input: string, shown: string]> = [
  ['ordinary text stays', 'nginx: worker-1 (ä, 漢, 🙂)', 'nginx: worker-1 (ä, 漢, 🙂)'],
  ['an escape sequence is shown', '\x1b[2J\x1b]0;x\x07', '\\x1b[2J\\x1b]0;x\\x07'],
  ['line breaks are shown', 'a\nb\rc\td', 'a\\nb\\rc\\td'],
  ['NUL and DEL are shown', '\0\x7f', '\\x00\\x7f'],
  ['C1 controls are shown', '\x9b31m', '\\x9b31m'],
  ['bidi overrides are shown', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
  ['zero-width characters are shown', 'a\u200b\u200d\ufeffb', 'a\\u200b\\u200d\\ufeffb'],
  ['line and paragraph separators are shown', '\u2028\u2029', '\\u2028\\u2029'],
  ['letters drawn as nothing are shown', '\u3164\u115f', '\\u3164\\u115f'],
  ['tag characters are shown', '\u{e0041}', '\\u{e0041}'],
  ['a lone surrogate is shown', '\ud800', '\\ud800'],
];

for (const [title, input, shown] of cases) {
  test(title, (t) => {
    t.is(escapeText(input), shown);
  });
}

test('escaped JSON holds nothing a terminal obeys, and means the same', (t) => {
  for (const [, input] of cases) {
    const json = escapeJson(JSON.stringify({ [input]: input }, null, 2));
    t.notRegex(json.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}\p{DI}]/u);
    t.deepEqual(JSON.parse(json), { [input]: input });
  }
});

test('text that looks like an escape keeps its meaning in JSON', (t) => {
  const name = '\\u000a\\n\n\\u202e';
  t.is(JSON.parse(escapeJson(JSON.stringify(name))), name);
});
