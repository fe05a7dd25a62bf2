/** The scheduler's own account of each thread (`/proc/PID/task/TID/schedstat`), as a second witness of run and ready. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { CapturedSample, CaptureSession } from '../../src/index.js';

interface Account {
  runNs: number;
  readyNs: number;
  /** How often it has been switched in. */
  slices: number;
  /** On a CPU, or waiting for one. */
  isRunnable: boolean;
}

type Accounts = Map<number, Account>;

async function accounts(pids: readonly number[]): Promise<Accounts> {
  const found: Accounts = new Map();
  for (const pid of pids) {
    for (const tid of await readdir(`/proc/${pid}/task`).catch(() => [])) {
      // A thread may end while the others are being read.
      const read = (name: string) => readFile(`/proc/${pid}/task/${tid}/${name}`, 'utf8').catch(() => '');
      // Asked first: the account of one that sleeps by then has all of its waits before that.
      const isRunnable = /^State:\s+R/m.test(await read('status'));
      const [runNs, readyNs, slices] = (await read('schedstat')).split(' ').map(Number);
      if (runNs === undefined || readyNs === undefined || slices === undefined) continue;
      found.set(Number(tid), { runNs, readyNs, slices, isRunnable });
    }
  }
  return found;
}

/**
 * The same, of each thread when no wait of it is under way: the account has a wait whole, as it ends. One that is not
 * switched in for a second has not waited, but had its CPU all along.
 */
async function settledAccounts(pids: readonly number[]): Promise<Accounts> {
  const first = await accounts(pids);
  const settled: Accounts = new Map(first);
  const unsettled = new Set([...first].filter(([, { isRunnable }]) => isRunnable).map(([tid]) => tid));
  const endMs = performance.now() + 1000;
  while (unsettled.size > 0 && performance.now() < endMs) {
    await setTimeout(2);
    const now = await accounts(pids);
    for (const tid of unsettled) {
      const account = now.get(tid);
      if (account?.isRunnable && account.slices === first.get(tid)?.slices) continue;
      unsettled.delete(tid);
      if (account !== undefined) settled.set(tid, account);
    }
  }
  return settled;
}

export interface Witnessed {
  sample: CapturedSample;
  /**
   * Asserts that run and ready of each thread that lives agree, but for as many threads as switches were missed; returns how
   * many threads there were.
   */
  assertAgrees(t: ExecutionContext): number;
}

/** A window of at least this length, with the accounts read before and after both of its edges. */
export async function witnessed(
  session: CaptureSession,
  pids: readonly number[],
  milliseconds: number,
): Promise<Witnessed> {
  const outerBefore = await accounts(pids);
  session.start();
  const innerBefore = await settledAccounts(pids);
  await setTimeout(milliseconds);
  const innerAfter = await accounts(pids);
  session.stop();
  await session.wait();
  const outerAfter = await settledAccounts(pids);
  const sample = await session.read();
  return {
    sample,
    assertAgrees(t) {
      let compared = 0;
      const disagreeing: string[] = [];
      for (const { tid, comm, exited, run, ready, budget } of sample.threads) {
        const [a, b, c, d] = [outerBefore, innerBefore, innerAfter, outerAfter].map((found) =>
          found.get(tid),
        );
        if (exited || a === undefined || b === undefined || c === undefined || d === undefined) continue;
        compared++;
        // The window lies between the outer readings, and the inner ones in the window. The account of a thread that is on
        // a CPU is brought up to date at a tick only: 4 ms at 250 Hz, 10 ms at 100 Hz. It leaves out interrupts, and what
        // the hypervisor took.
        const unaccountedNs = budget.hardIrqNs + budget.softIrqNs + budget.unknownNs + (sample.stealNs ?? 0);
        const slackNs = 20_000_000 + unaccountedNs;
        for (const [what, ns, leastNs, mostNs] of [
          ['run', run.totalNs + run.clippedNs, c.runNs - b.runNs, d.runNs - a.runNs],
          ['ready', ready.totalNs + ready.clippedNs, c.readyNs - b.readyNs, d.readyNs - a.readyNs],
        ] as const) {
          if (ns > mostNs * 1.05 + slackNs || ns < leastNs * 0.95 - slackNs) {
            disagreeing.push(
              `${comm} ${tid}: ${what} ${ns}, account ${leastNs} to ${mostNs}, slack ${slackNs}`,
            );
            break;
          }
        }
      }
      // A switch that the kernel does not report (docs/limitations.md) may falsify what is said of its thread.
      t.true(disagreeing.length <= sample.losses.switchesMissed, disagreeing.join('\n'));
      return compared;
    },
  };
}
