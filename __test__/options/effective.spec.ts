import { readFileSync } from 'node:fs';
import test from 'ava';
import { KdelayError } from '../../src/errors.js';
import { formatNames } from '../../src/formats/index.js';
import { effectiveOptions, type GivenOptions } from '../../src/options/effective.js';
import { captureOptions, type OptionSpec } from '../../src/options/table.js';
import type { Options } from '../../src/report/types.js';

type Key = keyof typeof captureOptions;

function parse(key: Key, ...texts: string[]): unknown {
  const { parse } = captureOptions[key] as OptionSpec<unknown>;
  if (parse === undefined) throw new Error(`${key} takes no value`);
  return texts.reduce<unknown>((before, text) => parse(text, before), undefined);
}

const good: Array<[Key, string[], unknown]> = [
  ['pid', ['1'], [1]],
  ['pid', ['12,34', '56'], [12, 34, 56]],
  ['pid', ['7,7', '7'], [7]],
  ['pid', ['4194304'], [4194304]],
  ['name', ['a', 'b', 'a'], ['a', 'b']],
  ['sampleCount', ['1'], 1],
  ['sampleCount', ['1000000000'], 1e9],
  ['sampleInterval', ['0'], 0],
  ['sampleInterval', ['.25'], 0.25],
  ['sampleTime', ['0.5'], 0.5],
  ['sampleTime', ['1e-9'], 1e-9],
  ['sampleTime', ['2592000'], 2_592_000],
  ['threadCapacity', ['1048576'], 1_048_576],
  ['before', ['10'], 10],
  ['recorderBytes', ['4096'], 4096],
  ['recorderBytes', ['5000'], 8192],
  ['criticalPath', ['17'], 17],
  ['bufferPageCount', ['1'], 1],
  ['bufferPageCount', ['1024'], 1024],
  ['bufferPageCount', ['1025'], 2048],
  ['bufferPageCount', ['262144'], 262_144],
  ['syscallEvents', ['0'], 0],
  ['syscallEvents', ['1000000'], 1_000_000],
  ['syscall', ['futex'], ['futex']],
  ['syscall', ['futex,read', 'read', 'poll'], ['futex', 'read', 'poll']],
  ['offCpu', ['1'], 1],
  ['offCpu', ['1000000'], 1_000_000],
  ['stackTraceSize', ['0'], 0],
  ['stackTraceSize', ['8192'], 8192],
  ['userStackBy', ['dwarf'], 'dwarf'],
  ['userStackBy', ['fp'], 'fp'],
  ['userStackBytes', ['0'], 0],
  ['userStackBytes', ['1'], 4096],
  ['userStackBytes', ['5000'], 8192],
  ['userStackBytes', ['65536'], 65_536],
  ['eventLimit', ['1'], 1],
  ['eventLimit', ['10000000'], 10_000_000],
  ['startTrigger', ['up:main'], 'up:main'],
  ['stopTrigger', ['t:sched:sched_switch'], 't:sched:sched_switch'],
  ['triggerScope', ['target'], 'target'],
  ['triggerDelta', ['1000000'], 1_000_000],
  ['triggerTimeout', ['0.5'], 0.5],
  ['debug', ['0'], 0],
  ['debug', ['7'], 7],
  ['output', ['report.json'], 'report.json'],
  ['timeline', ['t.pftrace'], 't.pftrace'],
  ...formatNames.map((name): [Key, string[], unknown] => ['format', [name], name]),
];

for (const [key, texts, value] of good) {
  test(`${key} takes ${texts.join(' and ')}`, (t) => {
    t.deepEqual(parse(key, ...texts), value);
  });
}

const bad: Array<[Key, string, RegExp]> = [
  ['pid', '', /^--pid: the value is empty$/],
  ['pid', '0', /^--pid: 0 is out of range$/],
  ['pid', '-1', /^--pid: -1 is out of range$/],
  ['pid', '4194305', /out of range/],
  ['pid', '12.5', /“12\.5” is not a whole number/],
  ['pid', 'abc', /“abc” is not a whole number/],
  ['pid', '1,,2', /empty/],
  ['pid', '1,', /empty/],
  ['pid', '0x10', /not a whole number/],
  ['pid', ' 1', /not a whole number/],
  ['pid', '99999999999999999999', /out of range/],
  ['name', '', /^--name: the value is empty$/],
  ['name', 'a\0b', /NUL/],
  ['sampleCount', '', /empty/],
  ['sampleCount', '0', /out of range/],
  ['sampleCount', '-3', /out of range/],
  ['sampleCount', '1.5', /not a whole number/],
  ['sampleCount', 'NaN', /not a whole number/],
  ['sampleCount', '1e3', /not a whole number/],
  ['sampleCount', '1000000001', /out of range/],
  ['sampleInterval', '', /empty/],
  ['sampleInterval', '-0.1', /out of range/],
  ['sampleInterval', 'NaN', /not a number of seconds/],
  ['sampleInterval', '2592001', /out of range/],
  ['sampleTime', '', /^--sample-time: the value is empty$/],
  ['sampleTime', '0', /^--sample-time: 0 is out of range$/],
  ['sampleTime', '-1', /out of range/],
  ['sampleTime', 'NaN', /“NaN” is not a number of seconds/],
  ['sampleTime', 'Infinity', /not a number of seconds/],
  ['sampleTime', '1e999', /out of range/],
  ['sampleTime', '1e-10', /out of range/],
  ['sampleTime', '1s', /not a number of seconds/],
  ['sampleTime', '0x1', /not a number of seconds/],
  ['sampleTime', '.', /not a number of seconds/],
  ['sampleTime', '2592001', /out of range/],
  ['threadCapacity', '0', /out of range/],
  ['before', '0', /out of range/],
  ['before', '10001', /out of range/],
  ['recorderBytes', '4095', /out of range/],
  ['recorderBytes', '268435457', /out of range/],
  ['criticalPath', '0', /out of range/],
  ['bufferPageCount', '0', /out of range/],
  ['bufferPageCount', '262145', /out of range/],
  ['syscallEvents', '-1', /out of range/],
  ['syscallEvents', '1ms', /not a whole number/],
  ['syscall', '', /value is empty/],
  ['syscall', 'futex,', /value is empty/],
  ['offCpu', '0', /out of range/],
  ['stackTraceSize', '-1', /out of range/],
  ['userStackBy', 'lbr', /^--user-stack-by: unknown value “lbr”$/],
  ['userStackBytes', '65537', /out of range/],
  ['eventLimit', '0', /out of range/],
  ['eventLimit', '10000001', /out of range/],
  ['bufferPageCount', '-8', /out of range/],
  ['bufferPageCount', 'many', /not a whole number/],
  ['startTrigger', '', /^--start-trigger: the value is empty$/],
  ['stopTrigger', '', /^--stop-trigger: the value is empty$/],
  ['triggerScope', 'all', /^--trigger-scope: unknown value “all”$/],
  ['triggerDelta', '-1', /out of range/],
  ['triggerDelta', '1ms', /not a whole number/],
  ['triggerTimeout', '0', /^--trigger-timeout: 0 is out of range$/],
  ['debug', '8', /out of range/],
  ['debug', '-1', /out of range/],
  ['debug', 'all', /not a whole number/],
  ['format', '', /^--format: the value is empty$/],
  ['format', 'xml', /^--format: unknown value “xml”$/],
  ['format', 'JSON', /unknown value/],
  ['output', '', /^--output: the value is empty$/],
  ['timeline', '', /^--timeline: the value is empty$/],
];

for (const [key, text, message] of bad) {
  test(`${key} refuses ${JSON.stringify(text)}`, (t) => {
    const error = t.throws(() => parse(key, text), { instanceOf: KdelayError });
    t.is(error.code, 'INVALID_ARGUMENT');
    t.regex(error.message, message);
    t.regex(error.hint ?? '', /^(give|choose) /);
  });
}

test('every parser has a row for a good and for a bad value', (t) => {
  for (const [key, spec] of Object.entries(captureOptions)) {
    if (spec.parse === undefined) continue;
    t.true(
      good.some((row) => row[0] === key),
      `good ${key}`,
    );
    t.true(
      bad.some((row) => row[0] === key),
      `bad ${key}`,
    );
  }
});

test('without options the defaults of the contract hold', (t) => {
  t.deepEqual(effectiveOptions({}, null), {
    pid: [],
    name: [],
    all: false,
    follow: false,
    sampleCount: 1,
    sampleInterval: 0,
    sampleTime: 0.5,
    threadCapacity: null,
    bufferPageCount: 1024,
    startTrigger: null,
    stopTrigger: null,
    triggerScope: 'any',
    allowUretprobe: false,
    triggerDelta: 0,
    triggerTimeout: null,
    syscallEvents: null,
    skipSyscallPollEvents: false,
    syscall: [],
    eventLimit: 100_000,
    stackTraceSize: 4096,
    userStackBy: 'dwarf',
    userStackBytes: 16_384,
    offCpu: null,
    debuginfod: false,
    skipUpcallStats: false,
    who: true,
    before: 0,
    recorderBytes: 4_194_304,
    criticalPath: null,
    timeline: null,
    format: 'text',
    histograms: false,
    verdict: true,
    output: null,
    debug: 0,
    command: null,
  } satisfies Options);
});

test('the stop trigger ends the window, and a start trigger gives a command’s a length', (t) => {
  t.is(effectiveOptions({ stopTrigger: 'up:f' }, null).sampleTime, null);
  t.is(effectiveOptions({ stopTrigger: 'up:f', sampleCount: 3 }, ['make']).sampleTime, null);
  t.is(effectiveOptions({ startTrigger: 'up:f' }, ['make']).sampleTime, 0.5);
});

test('a command is captured until it ends, unless a length is given', (t) => {
  t.is(effectiveOptions({}, ['make']).sampleTime, null);
  t.is(effectiveOptions({ sampleTime: 0.5 }, ['make']).sampleTime, 0.5);
});

const conflicts: Array<[string, GivenOptions, string[] | null, RegExp]> = [
  ['pid and name', { pid: [1], name: ['a'] }, null, /^--pid and --name: /],
  ['pid and a command', { pid: [1] }, ['ls'], /^--pid: /],
  ['name and a command', { name: ['a'] }, ['ls'], /^--name: /],
  ['all and a command', { all: true }, ['ls'], /^--all: /],
  ['all and pid', { all: true, pid: [1] }, null, /^--all: /],
  ['an empty command', {}, [], /no command follows/],
  ['a command without name', {}, [''], /no command follows/],
  ['a length and a stop trigger', { sampleTime: 1, stopTrigger: 'up:f' }, null, /^--sample-time: /],
  ['a delta without stop trigger', { triggerDelta: 1, startTrigger: 'up:f' }, null, /^--trigger-delta: /],
  ['a timeout without trigger', { triggerTimeout: 1 }, null, /^--trigger-timeout: /],
  ['histograms in JSON', { histograms: true, format: 'json' }, null, /^--histograms: /],
  ['a path of nothing recorded', { criticalPath: 1, who: false }, null, /^--critical-path: /],
  [
    'what came before, of nothing recorded',
    { before: 5, startTrigger: 'up:f', who: false },
    null,
    /^--before: /,
  ],
  ['what came before a capture', { before: 5, stopTrigger: 'up:f' }, null, /^--before: /],
  ['a ring of nothing recorded', { recorderBytes: 8192, who: false }, null, /^--recorder-bytes: /],
  ['a time line of nothing recorded', { timeline: 't', who: false }, null, /^--timeline: with --no-who /],
  ['the same as the format', { format: 'perfetto', who: false }, null, /^--format perfetto: with --no-who /],
  ['two time lines', { format: 'perfetto', timeline: 't' }, null, /^--timeline: /],
  ['one file for two things', { output: 'a/../t', timeline: './t' }, null, /^--timeline: /],
  ['folded stacks without any', { format: 'folded' }, null, /^--format folded: /],
  ['a copy for frame pointers', { userStackBy: 'fp', userStackBytes: 4096 }, null, /^--user-stack-bytes: /],
  [
    'debug files without stacks',
    { debuginfod: true, syscallEvents: 0, stackTraceSize: 0 },
    null,
    /^--debuginfod: /,
  ],
  [
    'debug files without user stacks',
    { debuginfod: true, offCpu: 10, userStackBytes: 0 },
    null,
    /^--debuginfod: /,
  ],
  ['names without events', { syscall: ['futex'] }, null, /^--syscall: /],
  ['poll left out without events', { skipSyscallPollEvents: true }, null, /^--skip-syscall-poll-events: /],
  ['a scope without trigger', { triggerScope: 'target' }, null, /^--trigger-scope: /],
  ['uretprobes without trigger', { allowUretprobe: true }, null, /^--allow-uretprobe: /],
  ['several samples of a command without length', { sampleCount: 2 }, ['ls'], /^--sample-count: /],
];

for (const [title, given, command, message] of conflicts) {
  test(`${title} are refused`, (t) => {
    const error = t.throws(() => effectiveOptions(given, command), { instanceOf: KdelayError });
    t.is(error.code, 'INVALID_ARGUMENT');
    t.regex(error.message, message);
    t.truthy(error.hint);
  });
}

test('all goes with names and with the default target', (t) => {
  t.true(effectiveOptions({ all: true, name: ['a'] }, null).all);
  t.true(effectiveOptions({ all: true }, null).all);
});

test('the schema echoes every option of the table, and the command', (t) => {
  const schema = JSON.parse(
    readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
  );
  const echoed = Object.keys(schema.$defs.Options.properties).sort();
  t.deepEqual(echoed, [...Object.keys(captureOptions), 'command'].sort());
});

test('the long form of each flag is its key in kebab case, after no- where it turns something off', (t) => {
  for (const [key, { flags, default: value }] of Object.entries(captureOptions)) {
    const kebab = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const long = value === true ? `no-${kebab}` : kebab;
    t.regex(flags, new RegExp(`^(-\\w, )?--${long}( [<[]|$)`));
  }
});
