import test from 'ava';
import { nativeErrorCodes } from '../../src/constants.js';
import { KdelayError, type KdelayErrorCause } from '../../src/errors.js';
import { awaitNative, callNative, fromNative } from '../../src/native/errors.js';
import { nativeError } from '../helpers/fake-native.js';

for (const code of nativeErrorCodes) {
  test(`${code} keeps its code`, (t) => {
    t.is(fromNative(nativeError(code, 'x')).code, code);
  });
}

test('message and hint are as the module made them', (t) => {
  const error = fromNative(nativeError('IO', 'pid 7: gone\nverifier:\n0: r1'));
  t.deepEqual([error.message, error.hint], ['pid 7: gone', 'verifier:\n0: r1']);
  t.is(fromNative(nativeError('IO', 'pid 7: gone')).hint, null);
});

const refused: KdelayErrorCause = {
  source: '`bpf_prog_load` failed: Operation not permitted (os error 1)',
  errno: { name: 'EPERM', number: 1 },
  probe: 'sched_switch',
  deniedBy: 'capabilities',
};

test('what it came of arrives as fields', (t) => {
  t.deepEqual(fromNative(nativeError('NOT_PERMITTED', 'no\nrun as root', refused)).cause, refused);
  t.is(fromNative(nativeError('NO_SUCH_PROCESS', 'no')).cause, undefined);
});

test('a call out of order is told the order where the module gives no hint', (t) => {
  t.regex(fromNative(nativeError('WRONG_STATE', 'no window is open')).hint ?? '', /start\(\).*read\(\)/);
  t.is(fromNative(nativeError('WRONG_STATE', 'no window is open\ntry 8')).hint, 'try 8');
});

test('what is none of the module’s own errors is a defect, with the original kept', (t) => {
  const original = Object.assign(new Error('panicked'), { code: 'GenericFailure' });
  const error = fromNative(original);
  t.is(error.code, 'INTERNAL');
  t.is(error.cause, original);
  t.is(error.message, 'internal error: panicked');
  t.is(fromNative('text').message, 'internal error: text');
});

test('neither is one with a code that is not in the contract, or JSON of something else', (t) => {
  const texts = [
    nativeError('BROKEN', 'x').message,
    nativeError('constructor', 'x').message,
    'null',
    '7',
    '{}',
  ];
  for (const text of texts) {
    const error = fromNative(new Error(text));
    t.deepEqual([error.code, error.message], ['INTERNAL', `internal error: ${text}`]);
  }
});

test('what is a KdelayError already stays as it is', (t) => {
  const error = new KdelayError('IO', 'x');
  t.is(fromNative(error), error);
});

test('calls and promises are both wrapped', async (t) => {
  const fail = () => {
    throw nativeError('IO', 'x');
  };
  t.throws(() => callNative(fail), { instanceOf: KdelayError });
  await t.throwsAsync(
    awaitNative(async () => fail()),
    { instanceOf: KdelayError },
  );
  t.is(
    callNative(() => 1),
    1,
  );
  t.is(await awaitNative(async () => 2), 2);
});
