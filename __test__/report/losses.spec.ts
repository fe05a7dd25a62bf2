import test from 'ava';
import { addLosses, lossWarnings, noLosses } from '../../src/report/losses.js';
import type { Losses } from '../../src/report/types.js';

const keys = Object.keys(noLosses) as Array<keyof Losses>;

test('no loss gives no warning', (t) => {
  t.deepEqual(lossWarnings(noLosses), []);
});

for (const key of keys) {
  test(`${key} is summed, and warned of with its number and what to do`, (t) => {
    const sum = addLosses({ ...noLosses, [key]: 2 }, { ...noLosses, [key]: 3 });
    t.deepEqual(sum, { ...noLosses, [key]: 5 });
    const [warning, ...others] = lossWarnings(sum);
    t.regex(warning?.what ?? '', /^5 /);
    t.regex(warning?.advice ?? '', /^[A-Z].*\.$/);
    t.deepEqual(others, []);
  });
}

test('unknown and unknown is unknown, unknown and known is known', (t) => {
  t.is(addLosses(noLosses, noLosses).recursionMisses, null);
  t.is(addLosses(noLosses, { ...noLosses, recursionMisses: 0 }).recursionMisses, 0);
});
