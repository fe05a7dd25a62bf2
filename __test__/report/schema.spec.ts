import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import test from 'ava';
import { effectiveOptions } from '../../src/options/effective.js';
import { buildReport } from '../../src/options/report.js';
import { buildHeader } from '../../src/report/header.js';
import { toSample } from '../../src/report/sample.js';
import { plain } from '../helpers/plain.js';
import { busyThread, rawCalls, rawEvent, rawSample, rawTarget, rawThread } from '../helpers/raw.js';

const schema = JSON.parse(
  readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addSchema(schema, 'kdelay');

function errorsOf(value: unknown, part = ''): string {
  const validate = ajv.getSchema(`kdelay${part}`);
  if (validate === undefined) throw new Error(`no schema ${part}`);
  validate(JSON.parse(JSON.stringify(value)));
  return ajv.errorsText(validate.errors);
}

const targets = [rawTarget(100, 'main')];

test('reports match the schema', (t) => {
  const full = rawSample({ threads: [busyThread(), rawThread({ exited: true })] });
  const report = buildReport({ targets, options: { pid: 100 } }, [
    toSample(full, 0),
    toSample(rawSample({ threads: [] }), 1),
  ]);
  t.is(errorsOf(plain(report)), 'No errors');
});

test('reports of a command match the schema', (t) => {
  const options = effectiveOptions({ output: 'x', follow: true }, ['make', '-j4']);
  const unknown = [{ pid: 7, comm: 'make', exe: null, cmdline: null }];
  t.is(errorsOf(buildReport({ targets: unknown, options: { pid: 7 } }, [], options)), 'No errors');
});

test('headers and samples match their parts of the schema', (t) => {
  t.is(errorsOf(buildHeader(targets, effectiveOptions({}, null)), '#/$defs/Header'), 'No errors');
  const sample = toSample(rawSample({ threads: [busyThread()], calls: rawCalls([rawEvent()]) }), 0);
  t.is(errorsOf(plain(sample), '#/$defs/Sample'), 'No errors');
});

const wrong: Array<[string, (report: Record<string, unknown>) => void]> = [
  ['an unknown property', (report) => Object.assign(report, { extra: 1 })],
  ['a missing one', (report) => delete report['host']],
  ['another schema', (report) => Object.assign(report, { schema: 'kdelay/2' })],
  ['a wrong type', (report) => Object.assign(report, { samples: [{ index: '0' }] })],
];

for (const [title, change] of wrong) {
  test(`the schema refuses ${title}`, (t) => {
    const report = { ...buildReport({ targets, options: { pid: 100 } }, []) } as unknown as Record<
      string,
      unknown
    >;
    change(report);
    t.not(errorsOf(report), 'No errors');
  });
}

interface SchemaNode {
  description?: string;
  $ref?: string;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: boolean;
  $defs?: Record<string, SchemaNode>;
}

test('every property of the schema is described, every object closed', (t) => {
  const check = (path: string, node: SchemaNode) => {
    if (node.properties === undefined) return;
    t.is(node.additionalProperties, false, path);
    for (const [name, property] of Object.entries(node.properties)) {
      const described =
        property.$ref === undefined ? property : schema.$defs[property.$ref.slice('#/$defs/'.length)];
      t.truthy(described.description, `${path}.${name}`);
    }
  };
  check('Report', schema);
  for (const [name, definition] of Object.entries<SchemaNode>(schema.$defs)) {
    t.truthy(definition.description, name);
    check(name, definition);
  }
});

test('every duration in the schema ends in Ns, every Ns names its unit', (t) => {
  const text = JSON.stringify(schema);
  t.regex(text, /Ns"/);
  for (const [name, definition] of Object.entries<SchemaNode>(schema.$defs)) {
    for (const [key, property] of Object.entries(definition.properties ?? {})) {
      if (!key.endsWith('Ns') || property.$ref !== undefined) continue;
      t.regex(property.description ?? '', /[Nn]anoseconds/, `${name}.${key}`);
    }
  }
});
