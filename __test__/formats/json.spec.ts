/** JSON is written in pieces, and is what JSON.stringify would have written in one. */
import test from 'ava';
import { escapeJson } from '../../src/escape.js';
import { findFormat, formatReport, type Pieces } from '../../src/formats/index.js';
import { objectPieces } from '../../src/formats/json-pieces.js';
import type { CapturedReport } from '../../src/report/events.js';
import { toSample } from '../../src/report/sample.js';
import { rawCalls, rawEvent, rawSample } from '../helpers/raw.js';
import { reports } from '../helpers/reports.js';

const joined = (pieces: Pieces): string => [...pieces].join('');

const hostile = [
  '',
  '"]},',
  '\n  ]',
  '\x1b[2J\x7f\x9b',
  '\u202e\u2028\u3164',
  '\ud800',
  '🙂\u{e0041}',
  '\\u000a\\',
];

/** The same ones in each run. */
function* random(): Generator<number, never> {
  for (let state = 1; ; state = (state * 48_271) % 0x7fff_ffff) yield state;
}

function anyValue(numbers: Iterator<number>, depth: number): unknown {
  const next = (below: number): number => Number(numbers.next().value) % below;
  const text = () => hostile[next(hostile.length)] ?? '';
  const inner = () => anyValue(numbers, depth - 1);
  const kinds: Array<() => unknown> = [
    text,
    () => next(1_000_000) - 500_000,
    () => next(1000) / 7,
    () => null,
    () => next(2) === 0,
    () => undefined,
    () => Array.from({ length: next(4) }, inner),
    () => Object.fromEntries(Array.from({ length: next(4) }, () => [text(), inner()])),
  ];
  return kinds[next(depth === 0 ? 6 : kinds.length)]?.();
}

for (const indent of [0, 1, 2]) {
  test(`any object is what JSON.stringify has for it, indented by ${indent}`, (t) => {
    const numbers = random();
    for (let round = 0; round < 300; round++) {
      const object = { first: round, ...Object(anyValue(numbers, 4)), last: anyValue(numbers, 3) };
      const written = joined(objectPieces(object, { indent, depth: 0 }));
      t.is(written, escapeJson(JSON.stringify(object, null, indent)));
    }
  });
}

test('deeper in a document it is as far to the right', (t) => {
  const object = { a: [{ b: [1, 2], c: {} }], d: [], e: 'x' };
  const around = JSON.stringify([[object]], null, 2);
  t.is(`[\n  [\n    ${joined(objectPieces(object, { indent: 2, depth: 2 }))}\n  ]\n]`, around);
});

for (const [title, report] of Object.entries(reports)) {
  test(`json of ${title}: the targets stand at the end, and the rest as JSON.stringify has it`, (t) => {
    const { targets, samples, ...start } = report;
    const whole = JSON.stringify({ ...start, samples, targets }, null, 2);
    t.is(formatReport(report, 'json'), `${escapeJson(whole)}\n`);
  });
}

test('json without samples is a document, and none before there is a header', (t) => {
  const { samples: _, ...header } = aReport();
  const formatter = findFormat('json').create(header.options);
  t.is(joined(formatter.footer(header.targets)), '');
  const text = joined(formatter.header(header)) + joined(formatter.footer(header.targets));
  t.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify({ ...header, samples: [] })));
});

test('json names the targets known at the end', (t) => {
  const { samples, ...header } = aReport();
  const formatter = findFormat('json').create(header.options);
  const text = [
    joined(formatter.header({ ...header, targets: [] })),
    ...samples.map((sample) => joined(formatter.sample(sample, []))),
    joined(formatter.footer(header.targets)),
  ].join('');
  t.deepEqual(JSON.parse(text).targets, JSON.parse(JSON.stringify(header.targets)));
});

test('json has each sample written by its end, and is a document with each footer', (t) => {
  const { samples, ...header } = aReport();
  const [sample = t.fail()] = samples;
  const formatter = findFormat('json').create(header.options);
  let text = joined(formatter.header(header));
  for (let count = 1; count <= 3; count++) {
    text += joined(formatter.sample(sample, header.targets));
    const footer = joined(formatter.footer(header.targets));
    t.is(JSON.parse(text + footer).samples.length, count);
    // It is none but the end: what comes next is not changed by it.
    t.is(joined(formatter.footer(header.targets)), footer);
  }
});

for (const name of ['json', 'ndjson']) {
  test(`${name}: no piece has many recorded calls, and no more than some of them are made at a time`, (t) => {
    const calls = rawCalls(Array.from({ length: 5000 }, () => rawEvent()));
    const sample = toSample(rawSample({ calls }), 0);
    const lengths = [...findFormat(name).create(aReport().options).sample(sample, [])].map(
      ({ length }) => length,
    );
    t.true(lengths.length > 5000);
    t.true(Math.max(...lengths) < 5000);
  });
}

function aReport(): CapturedReport {
  const [report] = Object.values(reports);
  if (report === undefined) throw new Error('no report');
  return report;
}
