import test from 'ava';
import type { Steps } from '../../src/report/steps.js';
import { inTurns } from '../../src/session/turns.js';

test('other things have their turns until it is done', async (t) => {
  let isHeard = false;
  function* untilHeard(): Steps<string> {
    setImmediate(() => {
      isHeard = true;
    });
    while (!isHeard) yield;
    return 'done';
  }
  t.is(await inTurns(untilHeard()), 'done');
});

test('an error is its own', async (t) => {
  // biome-ignore lint/correctness/useYield: it does not get that far.
  function* failing(): Steps<never> {
    throw new TypeError('no');
  }
  await t.throwsAsync(inTurns(failing()), { instanceOf: TypeError });
});
