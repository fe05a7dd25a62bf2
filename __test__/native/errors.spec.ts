import test from 'ava';
import { exitCodes, KdelayError, type KdelayErrorCode } from '../../src/errors.js';
import { awaitNative, callNative, fromNative } from '../../src/native/errors.js';
import { nativeError } from '../helpers/fake-native.js';

for (const code of Object.keys(exitCodes) as KdelayErrorCode[]) {
  test(`${code} keeps its code`, (t) => {
    t.is(fromNative(nativeError(code, 'x')).code, code);
  });
}

const messages: Array<[string, string, string, string | null]> = [
  ['one line has no hint', 'pid 7: gone', 'pid 7: gone', null],
  ['the second line is the hint', 'pid 7: gone\ntry 8', 'pid 7: gone', 'try 8'],
  ['a hint may hold several lines', 'refused\nverifier:\n0: r1\n', 'refused', 'verifier:\n0: r1'],
  ['an empty hint is none', 'refused\n', 'refused', null],
];

for (const [title, text, message, hint] of messages) {
  test(title, (t) => {
    const error = fromNative(nativeError('IO', text));
    t.deepEqual([error.message, error.hint], [message, hint]);
  });
}

test('a call out of order is told the order where the module gives no hint', (t) => {
  t.regex(fromNative(nativeError('WRONG_STATE', 'no window is open')).hint ?? '', /start\(\).*read\(\)/);
  t.is(fromNative(nativeError('WRONG_STATE', 'no window is open\ntry 8')).hint, 'try 8');
});

test('an unknown code is a defect, with the original kept', (t) => {
  const original = Object.assign(new Error('panicked'), { code: 'GenericFailure' });
  const error = fromNative(original);
  t.is(error.code, 'INTERNAL');
  t.is(error.cause, original);
  t.is(error.message, 'internal error: panicked');
  t.is(fromNative('text').message, 'internal error: text');
});

test('a code in the code property is understood too', (t) => {
  const error = fromNative(Object.assign(new Error('pid 7: gone\ntry 8'), { code: 'PROCESS_ENDED' }));
  t.deepEqual([error.code, error.message, error.hint], ['PROCESS_ENDED', 'pid 7: gone', 'try 8']);
});

test('a code without a message is not taken for one', (t) => {
  const error = fromNative(new Error('IO'));
  t.deepEqual([error.code, error.message], ['INTERNAL', 'internal error: IO']);
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
