/** Each rule is provoked by one thread, and not by another one that is nearly the same. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { toSample } from '../../src/report/sample.js';
import type { Finding } from '../../src/report/types.js';
import { machineRules, threadRules } from '../../src/verdict/rules.js';
import { buildVerdict } from '../../src/verdict/verdict.js';
import { rawSample, rawSyscall, rawThread } from '../helpers/raw.js';
import { runningCases } from './running-cases.js';
import { blocked, call, ms, type RawThread, ranInstead, thread, unpolled, waits } from './threads.js';
import { waitingCases } from './waiting-cases.js';

const cases = [...waitingCases, ...runningCases];

function findings(raw: RawThread): Finding[] {
  return buildVerdict(toSample(rawSample({ threads: [raw] }), 0), 2).findings;
}

for (const { rule, title, provokes, not, text, next } of cases) {
  test(`${rule}: ${title}`, (t) => {
    const found = findings(provokes).find((finding) => finding.rule === rule);
    t.like(found, { pid: 100, tid: 101, comm: 'worker' });
    t.regex(found?.text ?? '', text);
    t.regex(found?.next ?? '', next);
    t.false(findings(not).some((finding) => finding.rule === rule));
  });
}

test('every rule has a case', (t) => {
  for (const { id } of threadRules)
    t.true(
      cases.some(({ rule }) => rule === id),
      id,
    );
  t.deepEqual(
    machineRules.map(({ id }) => id),
    ['steal'],
  );
});

test('docs/report.md tells of every rule', (t) => {
  const page = readFileSync(new URL('../../docs/report.md', import.meta.url), 'utf8');
  for (const { id } of [...threadRules, ...machineRules]) t.true(page.includes(`| \`${id}\` |`), id);
});

test('the schema has every rule', (t) => {
  const schema = JSON.parse(
    readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
  );
  const ids = [...threadRules, ...machineRules].map(({ id }) => id);
  t.deepEqual(schema.$defs.Finding.properties.rule.enum, ids);
});

for (const [stealNs, cpus, applies] of [
  [100 * ms, 2, true],
  [100 * ms, 64, false],
  // One tick may be one that was cut.
  [10 * ms, 1, false],
  [null, 1, false],
] as const) {
  test(`steal: ${stealNs} ns of ${cpus} CPUs`, (t) => {
    const sample = toSample(rawSample({ threads: [thread({})], stealNs }), 0);
    const found = buildVerdict(sample, cpus).findings;
    t.deepEqual(
      found.map(({ rule }) => rule),
      applies ? ['steal'] : [],
    );
    if (!applies) return;
    t.deepEqual([found[0]?.pid, found[0]?.tid, found[0]?.comm], [null, null, null]);
    t.regex(found[0]?.text ?? '', /^The hypervisor took 10 % of this machine’s CPU time \(100 ms\)/);
  });
}

test('an idle thread provokes no rule', (t) => {
  t.deepEqual(findings(thread({ userNs: ms })), []);
  t.deepEqual(findings(unpolled(thread(blocked(500 * ms), { syscalls: [call('futex', 500 * ms)] }))), []);
  t.deepEqual(findings(rawThread()), []);
});

test('no command holds a name that somebody chose', (t) => {
  const hostile = '$(reboot) `x`; next: y';
  const task = { pid: 400, tid: 401, comm: hostile, count: 1, totalNs: 100 * ms, cgroup: hostile };
  const found = findings({
    ...thread(
      { readyWokenNs: 100 * ms, blockedNs: 50 * ms, kernelNs: 150 * ms },
      {
        ready: waits(100 * ms, 50 * ms),
        ranInstead: { ...ranInstead({}), tasks: [task] },
        syscalls: [
          rawSyscall(hostile, 1, { count: 90_000, totalNs: 200 * ms, maxNs: 50 * ms, blockedNs: 50 * ms }),
        ],
      },
    ),
    comm: hostile,
  });
  t.deepEqual(found.map(({ rule }) => rule).sort(), ['many-calls', 'slow-call', 'waits-for-cpu']);
  for (const { next, text } of found) {
    t.notRegex(next ?? '', /reboot/);
    t.notRegex(text, / next:/);
  }
});

for (const name of ['futex', 'recvfrom', 'read']) {
  test(`a ${name} that a timer ends is a sleep, and no lock or slow call`, (t) => {
    const timer = {
      by: 'local irq' as const,
      name: 'local_timer',
      pid: 0,
      tid: 0,
      count: 9,
      blockedNs: 400 * ms,
    };
    const found = (waker: RawThread['wokenBy'][number], elsewhereNs = 0) => {
      const times = { userNs: 100 * ms - elsewhereNs, blockedNs: 400 * ms + elsewhereNs };
      const raw = unpolled(thread(times, { syscalls: [call(name, 400 * ms)], wokenBy: [waker] }));
      const ofWaits: readonly string[] = ['lock', 'slow-call'];
      return findings(raw).filter(({ rule }) => ofWaits.includes(rule)).length;
    };
    t.is(found(timer), 0);
    t.is(found({ ...timer, by: 'task', name: 'other', pid: 7, tid: 7 }), 1);
    t.is(found({ ...timer, name: 'reschedule' }), 1);
    // It may have ended what the thread was blocked in elsewhere.
    t.is(found({ ...timer, blockedNs: 200 * ms }, 20 * ms), 1);
  });
}

for (const name of ['fsync', 'connect', 'openat', 'msgsnd']) {
  test(`of a ${name} a timer may say that it took too long`, (t) => {
    const timer = { by: 'soft irq' as const, name: 'timer', pid: 0, tid: 0, count: 9, blockedNs: 400 * ms };
    const raw = unpolled(
      thread(
        { userNs: 100 * ms, blockedNs: 400 * ms },
        { syscalls: [call(name, 400 * ms)], wokenBy: [timer] },
      ),
    );
    t.true(findings(raw).some(({ rule }) => rule === 'slow-call'));
  });
}
