/** One session, many windows; and the documented example. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { CaptureSession, KdelayError } from '../../src/index.js';
import { assertAddsUp, threadOf } from './captured.js';
import { Oracle } from './oracle.js';

test.serial('a hundred windows of a millisecond are whole, in order and apart', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const session = await CaptureSession.open({ pid: oracle.pid });
  let lastStopNs = 0n;
  for (let index = 0; index < 100; index++) {
    const sample = await session.sample(0.001);
    t.is(sample.index, index);
    t.is(sample.windowNs, 1_000_000);
    t.true(BigInt(sample.start.monotonicNs) > lastStopNs);
    lastStopNs = BigInt(sample.stop.monotonicNs);
    t.is(threadOf(sample, oracle.pid).budget.blockedNs, 1_000_000);
    assertAddsUp(t, sample);
  }
  await session.close();
  oracle.end();
});

test.serial('calls out of order are errors that say what to do, and change nothing', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const session = await CaptureSession.open({ pid: oracle.pid });
  await t.throwsAsync(session.read(), { instanceOf: KdelayError, code: 'WRONG_STATE' });
  await t.throwsAsync(session.wait(), { code: 'WRONG_STATE' });
  t.notThrows(() => session.stop());
  session.start(0.01);
  t.throws(() => session.start(0.01), { code: 'WRONG_STATE' });
  await session.wait();
  t.throws(() => session.start(0.01), { code: 'WRONG_STATE' }, 'the sample has not been read');
  t.is((await session.read()).windowNs, 10_000_000);
  for (const seconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => session.start(seconds), { code: 'INVALID_ARGUMENT' });
  }
  t.is((await session.sample(0.01)).index, 1);
  await session.close();
  oracle.end();
  for (const options of [
    {},
    { pid: 0 },
    { pids: [] },
    { pid: 1, pids: [1] },
    { pid: 1, threadCapacity: 0 },
  ]) {
    const error = await t.throwsAsync(CaptureSession.open(options), { code: 'INVALID_ARGUMENT' });
    t.truthy((error as KdelayError).hint);
  }
});

test.serial('two sessions at once, of the same process, see the same', async (t) => {
  const oracle = await Oracle.start('counts', '300');
  const sessions = [
    await CaptureSession.open({ pid: oracle.pid }),
    await CaptureSession.open({ pids: [oracle.pid, process.pid] }),
  ];
  for (const session of sessions) session.start();
  const truth = (await oracle.go()) as { threads: Array<{ name: string; tid: number }> };
  const worker = truth.threads.find(({ name }) => name === 'worker');
  for (const session of sessions) {
    session.stop();
    const { syscalls } = threadOf(await session.read(), worker?.tid ?? 0);
    t.is(syscalls.find(({ name }) => name === 'getppid')?.count, 300);
    await session.close();
  }
  oracle.end();
});

test.serial('the example takes ten samples', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const example = fileURLToPath(new URL('../../examples/ten-samples.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import=tsx', example, String(oracle.pid)],
    {
      encoding: 'utf8',
    },
  );
  oracle.end();
  t.is(status, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, 10);
  for (const [index, line] of lines.entries())
    t.true(line.startsWith(`sample ${index}: thread ${oracle.pid} `), line);
  const refused = spawnSync(process.execPath, ['--import=tsx', example, '4194303'], { encoding: 'utf8' });
  t.is(refused.status, 66);
  t.regex(refused.stderr, /^NO_SUCH_PROCESS: /);
});
