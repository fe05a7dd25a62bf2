import test from 'ava';
import { allLoads, parsePlan } from '../../bench/plan.js';
import { tracers } from '../../bench/tracers.js';

test('without arguments everything is measured', (t) => {
  const plan = parsePlan([]);
  t.deepEqual([...plan.loads], [...allLoads]);
  t.deepEqual(plan.tracers, tracers);
  t.false(plan.write);
});

test('parts are named', (t) => {
  const plan = parsePlan(['--loads', 'redis, rate', '--only', 'kdelay', '--only', 'bare', '--rounds', '2']);
  t.deepEqual([...plan.loads], ['redis', 'rate']);
  t.deepEqual(
    plan.tracers.map(({ name }) => name),
    ['bare', 'kdelay'],
  );
  t.is(plan.rounds, 2);
});

for (const [args, message] of [
  [['--rounds', '0'], /^--rounds 0: /],
  [['--loads', 'tea'], /^--loads tea: there are getppid, /],
  [['--only', 'tea'], /^--only tea: there are bare, /],
  [['--write', '--loads', 'redis'], /^--write takes everything/],
  [['--write', '--only', 'kdelay'], /^--write takes everything/],
] as const) {
  test(`${args.join(' ')} is refused`, (t) => {
    t.throws(() => parsePlan(args), { instanceOf: RangeError, message });
  });
}
