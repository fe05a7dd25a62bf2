/** Real captures, as root on this machine's kernel, against workloads with known truth and the kernel's own accounting. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import test from 'ava';
import type { Sample } from '../../src/index.js';
import {
  assertAddsUp,
  callOf,
  captured,
  counts,
  type Truth,
  type TruthThread,
  threadOf,
  truthOf,
} from './captured.js';
import { butHiddenSwitches, cli } from './cli.js';
import { Oracle } from './oracle.js';

test.serial('each of ten calls is counted exactly, and no other', async (t) => {
  const { sample, truth } = await captured(['counts', '500']);
  assertAddsUp(t, sample);
  for (const { tid, name, syscalls } of truth.threads) {
    t.deepEqual(counts(threadOf(sample, tid)), syscalls, name);
  }
  t.is(Object.keys(truthOf(truth, 'worker').syscalls).length, 10);
});

interface Slept extends Truth {
  threads: Array<TruthThread & { measured?: { totalNs: number } }>;
}

test.serial('sleeps are counted exactly and last as long as the sleeper measured', async (t) => {
  const { sample, truth } = await captured<Slept>(['sleep', '5', '20']);
  const sleeper = truth.threads.find(({ name }) => name === 'sleeper');
  if (sleeper?.measured === undefined) return t.fail('no sleeper');
  const call = callOf(threadOf(sample, sleeper.tid), 'clock_nanosleep');
  t.is(call?.count, 20);
  // The sleeper reads its clock outside of the call: its sum is the larger one, by some µs a sleep.
  const totalNs = call?.totalNs ?? 0;
  t.true(totalNs <= sleeper.measured.totalNs && totalNs >= 20 * 5_000_000, `${totalNs}`);
  return;
});

test.serial('two rivals for one CPU: run and ready agree with schedstat', async (t) => {
  const { sample, truth } = await captured(['contend', '400']);
  for (const { tid, name, schedstat } of truth.threads) {
    if (schedstat === undefined) continue;
    const thread = threadOf(sample, tid);
    const run = thread.run.totalNs + thread.run.clippedNs;
    const ready = thread.ready.totalNs + thread.ready.clippedNs;
    // 1 % and 2 ms for what the rivals do between the truth's readings and the window's edges. The kernel's own account
    // leaves out interrupts and what the hypervisor took; a slice here is from switch to switch.
    const { hardIrqNs, softIrqNs, unknownNs } = thread.budget;
    const outside =
      hardIrqNs + softIrqNs + unknownNs + (truth.stolen?.ns ?? 0) + (truth.stolen?.resolutionNs ?? 0);
    const agrees = (ns: number, oracleNs: number) =>
      Math.abs(ns - oracleNs) <= oracleNs * 0.01 + 2_000_000 + outside;
    t.true(agrees(run, schedstat.runNs), `${name} run ${run} ${schedstat.runNs} ${outside}`);
    t.true(agrees(ready, schedstat.readyNs), `${name} ready ${ready} ${schedstat.readyNs} ${outside}`);
    t.true(thread.ready.preempted.count > 0);
  }
});

test.serial(
  'the command line’s JSON is valid by the schema, and windows have the length asked for',
  async (t) => {
    const oracle = await Oracle.start('stdin-block');
    const args = [
      cli,
      'capture',
      '-p',
      `${oracle.pid}`,
      '--sample-count',
      '3',
      '--sample-time',
      '0.02',
      '-f',
      'json',
    ];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    oracle.end();
    const schema = JSON.parse(
      readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
    );
    const validate = new Ajv2020({ strict: false }).compile(schema);
    const report = JSON.parse(stdout);
    t.true(validate(report), JSON.stringify(validate.errors));
    t.deepEqual(
      report.samples.map((sample: Sample) => sample.windowNs),
      [20_000_000, 20_000_000, 20_000_000],
    );
    t.is(report.samples[0].threads[0].budget.blockedNs, 20_000_000);
  },
);

test.serial('a command is captured from its first call to its end', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    cli,
    'capture',
    '-f',
    'json',
    '--',
    'true',
  ]);
  const [sample] = JSON.parse(stdout).samples;
  t.is(sample.stop.by, 'exit');
  const names = sample.threads[0].syscalls.map(({ name }: { name: string }) => name);
  t.true(names.includes('execve') && names.includes('exit_group'), names.join());
  t.is(sample.threads[0].comm, 'true');
});

test('what cannot be captured gets one line, a hint and the right exit code', (t) => {
  for (const [args, status] of [
    [['-p', '4194303'], 66],
    [['-p', '2'], 66],
    [['-n', 'no-such-process-anywhere'], 66],
    [['-p', 'x'], 64],
    [['-p', '1', '-o', '/no/such/folder/file'], 74],
    [['--', 'no-such-command-anywhere'], 66],
  ] as const) {
    const result = spawnSync(process.execPath, [cli, 'capture', ...args], { encoding: 'utf8' });
    t.is(result.status, status, result.stderr);
    t.regex(result.stderr, /^kdelay: .+\nhint: /, args.join(' '));
    t.false(result.stderr.includes('    at '), result.stderr);
    t.is(result.stdout, '');
  }
});

test.serial(
  'a command has our standard input and error, and our output when the report goes elsewhere',
  async (t) => {
    const command = ['sh', '-c', 'cat; echo to-error >&2'];
    for (const [options, expected] of [
      [['-o', '/dev/null'], { stdout: 'to-input', stderr: 'to-error\n' }],
      [['-f', 'ndjson'], { stderr: 'to-inputto-error\n' }],
    ] as const) {
      const result = spawnSync(process.execPath, [cli, 'capture', '--follow', ...options, '--', ...command], {
        encoding: 'utf8',
        input: 'to-input',
      });
      t.is(result.status, 0);
      t.like({ ...result, stderr: butHiddenSwitches(result.stderr) }, expected);
    }
  },
);
