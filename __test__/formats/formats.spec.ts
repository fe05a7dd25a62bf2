import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import test from 'ava';
import { KdelayError } from '../../src/errors.js';
import { findFormat, formatNames, formatReport, formats } from '../../src/formats/index.js';
import { joined } from '../../src/formats/joined.js';
import { buildReport } from '../../src/options/report.js';
import { toSample } from '../../src/report/sample.js';
import { plain } from '../helpers/plain.js';
import { emptyBudget, rawCalls, rawEvent, rawSample, rawTarget, rawThread } from '../helpers/raw.js';
import { reports } from '../helpers/reports.js';

const schema = JSON.parse(
  readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true }).addSchema(schema, 'kdelay');

function matches(part: string, value: unknown): boolean {
  const validate = ajv.getSchema(`kdelay${part}`);
  if (validate === undefined) throw new Error(`no schema ${part}`);
  return validate(value) === true;
}

for (const { name } of formats) {
  for (const [title, report] of Object.entries(reports)) {
    test(`${name} of ${title}`, (t) => {
      t.snapshot(formatReport(report, name));
    });

    test(`${name} of ${title} holds nothing a terminal obeys`, (t) => {
      t.notRegex(formatReport(report, name).replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}\p{DI}]/u);
    });

    test(`${name} of ${title} ends each line`, (t) => {
      t.regex(formatReport(report, name), /^$|\n$/);
    });
  }

  test(`${name} formatters do not share state`, (t) => {
    const [first] = Object.values(reports);
    if (first === undefined) throw new Error('no report');
    t.is(formatReport(first, name), formatReport(first, name));
  });
}

test('perfetto is no format of a finished report', (t) => {
  const [report] = Object.values(reports);
  if (report === undefined) throw new Error('no report');
  t.false(formats.some(({ name }) => name === 'perfetto'));
  const error = t.throws(() => formatReport(report, 'perfetto'), { instanceOf: KdelayError });
  t.is(error?.code, 'INVALID_ARGUMENT');
  const formatter = findFormat('perfetto').create(report.options);
  t.deepEqual([...formatter.footer(report.targets)], []);
});

for (const [title, report] of Object.entries(reports)) {
  test(`json of ${title} is the report, and valid`, (t) => {
    const parsed = JSON.parse(formatReport(report, 'json'));
    t.deepEqual(parsed, plain(report));
    t.true(matches('', parsed));
  });

  test(`ndjson of ${title} is its header and samples, each valid`, (t) => {
    const [header, ...samples] = formatReport(report, 'ndjson')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.deepEqual({ ...header, samples }, plain(report));
    t.true(matches('#/$defs/Header', header));
    for (const sample of samples) t.true(matches('#/$defs/Sample', sample));
  });
}

test('text leaves out what took no time, but never the unknown', (t) => {
  const budget = { ...emptyBudget, wallNs: 1000, userNs: 1000 };
  const sample = toSample(rawSample({ threads: [rawThread({ budget })] }), 0);
  const text = formatReport(
    buildReport({ targets: [rawTarget(100, 'main')], options: { pid: 100 } }, [sample]),
    'text',
  );
  const rows = text.slice(text.indexOf('[TIME BUDGET]')).trimEnd().split('\n').slice(2);
  t.deepEqual(
    rows.map((row) => row.trim().replaceAll(/ {2,}/g, ' | ')),
    [
      'user | 1,000 | 100.00',
      'unknown | 0 | 0.00',
      'TOTAL (wall): | 1,000 | 100.00',
      `|${'U'.repeat(50)}|`,
      'U user',
    ],
  );
});

test('an unknown format is refused with the names there are', (t) => {
  const report = buildReport({ targets: [], options: { pid: 1 } }, []);
  for (const find of [() => findFormat('xml'), () => formatReport(report, 'xml')]) {
    const error = t.throws(find, { instanceOf: KdelayError, message: 'format: “xml” is none' });
    t.is(error?.code, 'INVALID_ARGUMENT');
    t.is(error?.hint, `choose one of ${formatNames.join(', ')}`);
  }
});

test('there may be more recorded calls than a function can have arguments', (t) => {
  const [event] = toSample(rawSample({ calls: rawCalls([rawEvent()]) }), 0).syscallEvents;
  if (event === undefined) throw new Error('no event');
  const sample = { ...toSample(rawSample(), 0), syscallEvents: new Array(300_000).fill(event) };
  const report = buildReport({ targets: [], options: { pid: 100 } }, [sample]);
  const lines = formatReport(report, 'text').split('\n');
  t.is(lines.filter((line) => line.includes(` ${event.name} `)).length, 300_000);
});

test('what is longer than a string can be is refused in kdelay’s own words', (t) => {
  const long = 'x'.repeat(2 ** 26);
  const error = t.throws(() => joined('text', new Array(9).fill(long)), { instanceOf: KdelayError });
  t.is(error?.code, 'INVALID_ARGUMENT');
});
