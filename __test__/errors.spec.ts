import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import {
  type ExitStatus,
  exitCodes,
  exitStatuses,
  isErrorCode,
  KdelayError,
  type KdelayErrorCode,
} from '../src/errors.js';

/** The published contract, written out: sysexits.h. */
const contract: Record<KdelayErrorCode, ExitStatus> = {
  INVALID_ARGUMENT: 64,
  AMBIGUOUS_TARGET: 64,
  NO_SUCH_PROCESS: 66,
  PROCESS_ENDED: 66,
  KERNEL_THREAD: 66,
  NO_SUCH_COMMAND: 66,
  NO_SUCH_PROBE: 66,
  KERNEL_UNSUPPORTED: 69,
  NATIVE_MODULE_MISSING: 69,
  INTERNAL: 70,
  WRONG_STATE: 70,
  IO: 74,
  TRIGGER_TIMEOUT: 75,
  NOT_PERMITTED: 77,
};

test('the table has the codes of the contract and no others', (t) => {
  t.deepEqual(exitCodes, contract);
});

for (const [code, exitCode] of Object.entries(contract) as Array<[KdelayErrorCode, ExitStatus]>) {
  test(`${code} exits with ${exitCode}`, (t) => {
    t.true(isErrorCode(code));
    t.is(new KdelayError(code, 'what: why').exitCode, exitCode);
  });
}

test('names of Object.prototype are no error codes', (t) => {
  t.false(isErrorCode('constructor'));
  t.false(isErrorCode(undefined));
});

test('an error keeps its hint and cause', (t) => {
  const cause = new Error('below');
  const error = new KdelayError('IO', 'file: full', 'make room', cause);
  t.is(error.hint, 'make room');
  t.is(error.cause, cause);
  t.is(new KdelayError('IO', 'file: full').hint, null);
});

/** What scripts may rely on. */
test('these are all exit codes', (t) => {
  t.deepEqual(Object.keys(exitStatuses).map(Number), [0, 64, 66, 69, 70, 74, 75, 77, 130, 143]);
});

const pages = readdirSync(new URL('../docs/', import.meta.url)).filter((name) => name.endsWith('.md'));

for (const page of ['README.md', ...pages.map((name) => `docs/${name}`)]) {
  test(`${page} names no other exit codes`, (t) => {
    const text = readFileSync(new URL(`../${page}`, import.meta.url), 'utf8');
    const named = [...text.matchAll(/exit codes? (?:is )?(\d+)/gi)].map(([, code]) => code ?? '');
    t.deepEqual(
      named.filter((code) => !Object.hasOwn(exitStatuses, code)),
      [],
    );
  });
}
