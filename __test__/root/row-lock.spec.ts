/** A transaction of PostgreSQL that waits for a row which another session's has changed: who is waited for, and what that one does. */
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type CapturedSample, CaptureSession, type Chain, type PathSegment } from '../../src/index.js';
import { assertAddsUp, threadOf } from './captured.js';
import { Cluster, type Connection } from './postgresql.js';

const cluster = new Cluster();
test.serial.before(() => cluster.start());
test.after.always(() => cluster.end());

const change = 'UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = 1;';

/** By the clock that the probes read. */
const now = () => process.hrtime.bigint();

interface Blocked {
  sample: CapturedSample;
  victim: number;
  holder: number;
  /** The victim slept all the time between these two, and the holder had the row. */
  fromNs: bigint;
  toNs: bigint;
}

/** Looks until the victim's backend waits for a lock; the holder's own session asks. */
async function untilItWaits(holder: Connection, victim: number): Promise<void> {
  for (let looks = 0; looks < 1000; looks++) {
    const waits = `SELECT count(*) FROM pg_locks WHERE pid = ${victim} AND NOT granted;`;
    // It says so before it sleeps.
    if ((await holder.query(waits)) === '1' && cluster.sleeps(victim)) return;
    await setTimeout(10);
  }
  throw new Error('it does not wait');
}

async function blocked(): Promise<Blocked> {
  const [holder, victim] = [await cluster.connect(), await cluster.connect()];
  await holder.query(`BEGIN; ${change}`);
  const session = await CaptureSession.open({ pid: victim.backend, criticalPath: victim.backend });
  try {
    session.start();
    const changed = victim.query(change);
    await untilItWaits(holder, victim.backend);
    const fromNs = now();
    await holder.query('SELECT pg_sleep(0.3);');
    const toNs = now();
    await holder.query('COMMIT;');
    await changed;
    session.stop();
    await session.wait();
    return {
      sample: await session.read(),
      victim: victim.backend,
      holder: holder.backend,
      fromNs,
      toNs,
    };
  } finally {
    await session.close();
    await holder.end();
    await victim.end();
  }
}

function assertChainsAddUp(t: ExecutionContext, chains: readonly Chain[]): void {
  for (const { below, totalNs } of chains) {
    if (below.length === 0) continue;
    t.is(
      below.reduce((sum, chain) => sum + chain.totalNs, 0),
      totalNs,
    );
    assertChainsAddUp(t, below);
  }
}

const sum = (chains: readonly Chain[]) => chains.reduce((ns, { totalNs }) => ns + totalNs, 0);

test.serial('who waits for a row waits for the session that has changed it', async (t) => {
  const { sample, victim, holder, fromNs, toNs } = await blocked();
  assertAddsUp(t, sample);
  const thread = threadOf(sample, victim);
  const chains = thread.chains ?? [];
  assertChainsAddUp(t, chains);
  // In poll or whatever this version of it sleeps in: the parts of the wait that the holder ended.
  const its = chains.filter(({ what }) => what === 'blocked').flatMap(({ below }) => below);
  const holders = its.filter(({ pid }) => pid === holder);
  // What takes less than a hundredth is told as others.
  const others = sum(its.filter(({ what }) => what === 'others'));
  const heldNs = Number(toNs - fromNs);
  t.true(sum(holders) + others >= heldNs, JSON.stringify(chains));
  t.true(holders.every(({ name, by }) => name === 'postgres' && by === 'waker'));
  // It was not captured. That it slept until a timer rang is known all the same, and, where the kernel hands over registers, in which call.
  const asleep = holders.filter(({ what }) => what === 'blocked');
  t.true(asleep.some(({ call }) => call === null || call === 'epoll_wait'));
  const timer = sum(asleep.flatMap(({ below }) => below.filter(({ what }) => what === 'interrupt')));
  t.true(timer >= heldNs / 2, JSON.stringify(chains));
});

/** What of a part lies between these times. */
function between(segment: PathSegment, sample: CapturedSample, fromNs: bigint, toNs: bigint): number {
  const startNs = BigInt(sample.start.monotonicNs);
  const [from, to] = [Number(fromNs - startNs), Number(toNs - startNs)];
  return Math.max(0, Math.min(segment.toNs, to) - Math.max(segment.fromNs, from));
}

test.serial('the critical path of the transaction leads through that session all the time', async (t) => {
  const { sample, victim, holder, fromNs, toNs } = await blocked();
  const path = sample.criticalPath;
  t.is(path?.tid, victim);
  const segments = path?.segments ?? [];
  let untilNs = 0;
  for (const segment of segments) {
    t.is(segment.fromNs, untilNs);
    untilNs = segment.toNs;
  }
  t.is(untilNs, Number(BigInt(sample.stop.monotonicNs) - BigInt(sample.start.monotonicNs)));
  const through = segments.filter(
    ({ steps: [own, next] }) => own?.what === 'blocked' && next?.pid === holder,
  );
  const onPathNs = through.reduce((ns, segment) => ns + between(segment, sample, fromNs, toNs), 0);
  t.is(onPathNs, Number(toNs - fromNs), JSON.stringify(segments));
});
