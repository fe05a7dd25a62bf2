/** Options for what a report holds, from the command line to the report. */
import test from 'ava';
import { run } from '../../../src/cli/run.js';
import { replaceNative } from '../../../src/native/index.js';
import { fakeNative } from '../../helpers/fake-native.js';
import { busyThread } from '../../helpers/raw.js';
import { Collector } from '../../helpers/streams.js';

async function capture(...args: string[]): Promise<{ stdout: string; calls: readonly string[] }> {
  const native = fakeNative({ sample: () => ({ threads: [busyThread()] }) });
  replaceNative(native);
  const stdout = new Collector();
  await run(['capture', '-p', '100', ...args], { stdout, stderr: new Collector() });
  return { stdout: stdout.text, calls: native.calls };
}

test.serial('a text report begins with a verdict, between its edges and its tables', async (t) => {
  const { stdout } = await capture();
  t.regex(stdout, /^# Start.*\n# Stop.*\n# Sample dump.*\n# Verdict\n# {3}- handler24 /);
});

test.serial('--no-verdict leaves it out, in text and in JSON', async (t) => {
  t.notRegex((await capture('--no-verdict')).stdout, /Verdict/);
  const { options, samples } = JSON.parse((await capture('--no-verdict', '-f', 'json')).stdout);
  t.false(options.verdict);
  t.is(samples[0].verdict, null);
});

test.serial('JSON has it unless it is turned off', async (t) => {
  const { options, samples } = JSON.parse((await capture('-f', 'json')).stdout);
  t.true(options.verdict);
  t.true(samples[0].verdict.enoughEvidence);
});

test.serial('--histograms puts bars below tables', async (t) => {
  t.notRegex((await capture()).stdout, /####/);
  t.regex((await capture('--histograms')).stdout, /BELOW ns +COUNT\n.*####/);
});

test.serial('--skip-upcall-stats reaches the session', async (t) => {
  const opened = async (...args: string[]) =>
    (await capture(...args)).calls.find((line) => line.startsWith('open '));
  t.true((await opened('--skip-upcall-stats'))?.includes('"skipUpcallStats":true'));
  t.true((await opened())?.includes('"skipUpcallStats":false'));
});

test.serial('--no-who reaches the session', async (t) => {
  const opened = async (...args: string[]) =>
    (await capture(...args)).calls.find((line) => line.startsWith('open '));
  t.true((await opened('--no-who'))?.includes('"withoutWho":true'));
  t.true((await opened())?.includes('"withoutWho":false'));
});

test.serial('a time line goes to its file beside the report, or where the report would go', async (t) => {
  const opened = async (...args: string[]) =>
    (await capture(...args)).calls.find((line) => line.startsWith('open '));
  t.true((await opened('--timeline', 't.pftrace'))?.includes('"timeline":"t.pftrace"'));
  t.true((await opened('-f', 'perfetto', '-o', 't.pftrace'))?.includes('"timeline":"t.pftrace"'));
  t.true((await opened('-f', 'perfetto'))?.includes('"timeline":1'));
  t.false((await opened())?.includes('timeline'));
});
