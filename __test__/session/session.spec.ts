import test from 'ava';
import { KdelayError } from '../../src/errors.js';
import { replaceNative } from '../../src/native/index.js';
import { CaptureSession, type SessionOptions } from '../../src/session/session.js';
import { type FakeScript, fakeNative, nativeError, noStacks } from '../helpers/fake-native.js';
import { rawTarget } from '../helpers/raw.js';

function install(script: FakeScript = {}): string[] {
  const native = fakeNative(script);
  replaceNative(native);
  return native.calls;
}

test.serial('open passes pids, follow and debug level on', async (t) => {
  const calls = install({ processes: [rawTarget(1, 'a'), rawTarget(2, 'b')] });
  const session = await CaptureSession.open({ pids: [1, 2, 1], follow: true, debugLevel: 3 });
  t.deepEqual(calls, [`open {"pids":[1,2],"follow":true,"debugLevel":3,${noStacks}}`]);
  t.deepEqual(
    session.targets.map(({ comm }) => comm),
    ['a', 'b'],
  );
});

test.serial('one pid needs no list', async (t) => {
  const calls = install();
  await CaptureSession.open({ pid: 100 });
  t.is(calls.at(-1), `open {"pids":[100],"follow":false,"debugLevel":0,${noStacks}}`);
});

const badOptions: Array<[string, SessionOptions]> = [
  ['a stack size that is none', { pid: 1, userStackBytes: 5000 }],
  ['a way of walking that is none', { pid: 1, userStackBy: 'lbr' as 'fp' }],
  ['neither pid nor pids', {}],
  ['both pid and pids', { pid: 1, pids: [1] }],
  ['an empty list', { pids: [] }],
  ['zero', { pid: 0 }],
  ['a fraction', { pid: 1.5 }],
  ['NaN', { pid: Number.NaN }],
  ['a negative pid in a list', { pids: [1, -1] }],
  ['a debug level over 7', { pid: 100, debugLevel: 8 }],
  ['a fractional debug level', { pid: 100, debugLevel: 0.5 }],
];

for (const [title, options] of badOptions) {
  test.serial(`open refuses ${title} before anything is loaded`, async (t) => {
    const calls = install();
    const error = await t.throwsAsync(CaptureSession.open(options), { instanceOf: KdelayError });
    t.is(error.code, 'INVALID_ARGUMENT');
    t.deepEqual(calls, []);
  });
}

test.serial('sample is start, wait and read; samples are numbered', async (t) => {
  const calls = install();
  const session = await CaptureSession.open({ pid: 100 });
  const first = await session.sample(0.25);
  const second = await session.sample(1e-9);
  t.deepEqual(calls.slice(1), ['start 250000000', 'read 0', 'start 1', 'read 1']);
  t.deepEqual([first.index, second.index], [0, 1]);
  t.is(first.windowNs, 500_000_000);
});

test.serial('start tells when the window opened', async (t) => {
  const calls = install();
  const session = await CaptureSession.open({ pid: 100 });
  t.deepEqual(session.start(), {
    wall: '2026-11-24T03:58:11.123456789Z',
    monotonicNs: '9007199254740993123',
    by: 'time',
    trigger: null,
  });
  t.is(calls.at(-1), 'start open-ended');
});

for (const seconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-10, 2e10, 1e300]) {
  test.serial(`start refuses a length of ${seconds}`, async (t) => {
    install();
    const session = await CaptureSession.open({ pid: 100 });
    t.is(t.throws(() => session.start(seconds), { instanceOf: KdelayError }).code, 'INVALID_ARGUMENT');
  });
}

test.serial('stop ends an open-ended window', async (t) => {
  install({ windows: ['until-stop'] });
  const session = await CaptureSession.open({ pid: 100 });
  session.start();
  const reason = session.wait();
  session.stop();
  t.is(await reason, 'interrupt');
  t.is((await session.read()).stop.by, 'interrupt');
});

test.serial('children that joined are targets after the read', async (t) => {
  const child = rawTarget(101, 'child');
  install({ sample: () => ({ targets: [rawTarget(100, 'main'), child] }) });
  const session = await CaptureSession.open({ pid: 100, follow: true });
  t.is(session.targets.length, 1);
  await session.sample(0.1);
  t.deepEqual(session.targets, [rawTarget(100, 'main'), child]);
});

test.serial('the end of the targets is seen', async (t) => {
  install({ windows: ['exit'] });
  const session = await CaptureSession.open({ pid: 100 });
  t.true(session.targetsAlive);
  t.is((await session.sample(1)).stop.by, 'exit');
  t.false(session.targetsAlive);
});

test.serial('closing twice is harmless, and afterwards every method says so', async (t) => {
  install();
  const session = await CaptureSession.open({ pid: 100 });
  t.false(session.closed);
  await session.close();
  await session.close();
  t.true(session.closed);
  const closed = { instanceOf: KdelayError, message: 'session: it is closed' } as const;
  t.is(t.throws(() => session.start(1), closed).code, 'WRONG_STATE');
  t.throws(() => session.stop(), closed);
  t.throws(() => session.targetsAlive, closed);
  await t.throwsAsync(session.wait(), closed);
  await t.throwsAsync(session.read(), closed);
  await t.throwsAsync(session.sample(1), closed);
});

test.serial('async dispose closes', async (t) => {
  install();
  const session = await CaptureSession.open({ pid: 100 });
  await session[Symbol.asyncDispose]();
  t.true(session.closed);
});

test.serial('errors of the module arrive typed, hint apart', async (t) => {
  install({ errors: { open: nativeError('NOT_PERMITTED', 'bpf: not permitted\nrun it as root') } });
  const error = await t.throwsAsync(CaptureSession.open({ pid: 100 }), { instanceOf: KdelayError });
  t.is(error.code, 'NOT_PERMITTED');
  t.is(error.message, 'bpf: not permitted');
  t.is(error.hint, 'run it as root');
});

test.serial('a pid that does not exist is refused', async (t) => {
  const calls = install();
  const error = await t.throwsAsync(CaptureSession.open({ pid: 5 }), { instanceOf: KdelayError });
  t.is(error.code, 'NO_SUCH_PROCESS');
  t.is(calls.length, 1);
});
