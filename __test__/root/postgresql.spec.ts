/** A real service under load. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import test from 'ava';
import { CaptureSession, type Report } from '../../src/index.js';
import { assertAddsUp } from './captured.js';
import { cli } from './cli.js';
import { Cluster, clients, runFile } from './postgresql.js';
import { witnessed } from './schedstat.js';

const cluster = new Cluster();
test.serial.before(() => cluster.start());
test.after.always(() => cluster.end());

test.serial(
  'every process of the server is in a valid report, with the calls that a backend makes',
  async (t) => {
    await cluster.load(120);
    const before = cluster.pids;
    const args = ['capture', '-n', 'postgres', '--all', '--follow', '--sample-count', '3', '-f', 'json'];
    const { stdout } = await runFile(process.execPath, [cli, ...args], { maxBuffer: 256 << 20 });
    const report = JSON.parse(stdout) as Report;
    const schema = JSON.parse(
      readFileSync(new URL('../../schema/kdelay-1.schema.json', import.meta.url), 'utf8'),
    );
    const validate = new Ajv2020({ strict: false }).compile(schema);
    t.true(validate(report), JSON.stringify(validate.errors));
    t.is(report.samples.length, 3);
    // The server starts a process of its own now and then, and ends it.
    const pids = cluster.pids.filter((pid) => before.includes(pid));
    const targets = new Set(report.targets.map(({ pid }) => pid));
    t.deepEqual(
      pids.filter((pid) => !targets.has(pid)),
      [],
    );
    // In one window a backend may do nothing but wait for another one's lock.
    const calls = new Map<number, Set<string>>();
    for (const sample of report.samples) {
      assertAddsUp(t, sample);
      for (const { pid, syscalls } of sample.threads.filter((thread) => pids.includes(thread.pid))) {
        const called = syscalls.filter(({ count }) => count > 0).map(({ name }) => name);
        calls.set(pid, new Set([...(calls.get(pid) ?? []), ...called]));
      }
    }
    const { backends } = cluster;
    t.is(backends.length, clients);
    for (const pid of backends)
      for (const name of ['recvfrom', 'sendto', 'epoll_wait']) t.true(calls.get(pid)?.has(name), name);
  },
);

test.serial('run and ready of every process agree with the scheduler’s account', async (t) => {
  const { pids } = cluster;
  const session = await CaptureSession.open({ pids });
  const { sample, assertAgrees } = await witnessed(session, pids, 1000);
  await session.close();
  assertAddsUp(t, sample);
  t.true(assertAgrees(t) >= pids.length - 1);
});
