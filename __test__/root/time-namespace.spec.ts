/** kdelay in a time namespace, whose clocks are not the kernel's: it sees all threads, and tells the kernel's time. */
import test from 'ava';
import type { Report } from '../../src/report/types.js';
import { cli, runMeanwhile } from './cli.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

for (const [title, monotonic, boottime] of [
  ['later', 8_640_000, 17_280_000],
  ['earlier', -1, -1],
] as const) {
  test.serial(`clocks that are ${title} than the kernel’s`, async (t) => {
    // One thread that has events, and one that has none.
    const busy = await programs.start('perl', '-e', 'select undef, undef, undef, 0.005 while 1');
    const idle = await programs.start('sleep', '1000');
    const unshare = ['--time', '--fork', '--monotonic', `${monotonic}`, '--boottime', `${boottime}`];
    const args = [
      'capture',
      '-f',
      'json',
      '-p',
      `${busy},${idle}`,
      '--sample-time',
      '0.2',
      '-s',
      '0',
      '--event-limit',
      '5',
    ];
    const before = process.hrtime.bigint();
    const { status, stdout, stderr } = await runMeanwhile('unshare', [
      ...unshare,
      process.execPath,
      cli,
      ...args,
    ]);
    const after = process.hrtime.bigint();
    t.is(status, 0, stderr);
    const [sample] = (JSON.parse(stdout) as Report).samples;
    if (sample === undefined) return t.fail(stderr);
    t.deepEqual(sample.threads.map(({ tid }) => tid).sort(), [busy, idle].sort());
    for (const { budget, tid } of sample.threads) {
      t.is(budget.wallNs, sample.windowNs);
      if (tid === idle) t.is(budget.blockedNs, budget.wallNs);
    }
    const [start, stop] = [BigInt(sample.start.monotonicNs), BigInt(sample.stop.monotonicNs)];
    t.true(before < start && start < stop && stop < after, `${before} ${start} ${stop} ${after}`);
    const [event] = sample.syscallEvents;
    t.true(event !== undefined && BigInt(event.entryNs) >= start && BigInt(event.exitNs) <= stop);
    // By the wall's clock, which no namespace changes.
    t.true(Math.abs(Date.parse(sample.start.wall) - Date.now()) < 60_000, sample.start.wall);
  });
}
