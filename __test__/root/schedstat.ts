/** The scheduler's own account of each thread (`/proc/PID/task/TID/schedstat`), as a second witness of run and ready. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { CapturedSample, CaptureSession } from '../../src/index.js';

interface Account {
  runNs: number;
  readyNs: number;
}

async function accounts(pids: readonly number[]): Promise<Map<number, Account>> {
  const found = new Map<number, Account>();
  for (const pid of pids) {
    for (const tid of await readdir(`/proc/${pid}/task`).catch(() => [])) {
      // A thread may end while the others are being read.
      const text = await readFile(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').catch(() => '');
      const [runNs, readyNs] = text.split(' ').map(Number);
      if (runNs !== undefined && readyNs !== undefined) found.set(Number(tid), { runNs, readyNs });
    }
  }
  return found;
}

export interface Witnessed {
  sample: CapturedSample;
  /** Asserts that run and ready of each thread that lives agree; returns how many threads there were. */
  assertAgrees(t: ExecutionContext): number;
}

/** A window of this length, with the accounts read before and after both of its edges. */
export async function witnessed(
  session: CaptureSession,
  pids: readonly number[],
  milliseconds: number,
): Promise<Witnessed> {
  const outerBefore = await accounts(pids);
  session.start();
  const innerBefore = await accounts(pids);
  await setTimeout(milliseconds);
  const innerAfter = await accounts(pids);
  session.stop();
  await session.wait();
  const outerAfter = await accounts(pids);
  const sample = await session.read();
  return {
    sample,
    assertAgrees(t) {
      let compared = 0;
      for (const { tid, comm, exited, run, ready, budget } of sample.threads) {
        const [a, b, c, d] = [outerBefore, innerBefore, innerAfter, outerAfter].map((found) =>
          found.get(tid),
        );
        if (exited || a === undefined || b === undefined || c === undefined || d === undefined) continue;
        compared++;
        // The window lies between the outer readings, and the inner ones in the window. The account of a thread that is on
        // a CPU, or waits for one, is brought up to date at a tick only: 4 ms at 250 Hz, 10 ms at 100 Hz. It leaves out
        // interrupts, and what the hypervisor took.
        const slackNs = 20_000_000 + budget.hardIrqNs + budget.softIrqNs + budget.unknownNs;
        for (const [what, ns, leastNs, mostNs] of [
          ['run', run.totalNs + run.clippedNs, c.runNs - b.runNs, d.runNs - a.runNs],
          ['ready', ready.totalNs + ready.clippedNs, c.readyNs - b.readyNs, d.readyNs - a.readyNs],
        ] as const) {
          const figures = `${comm} ${tid}: ${what} ${ns}, account ${leastNs} to ${mostNs}, slack ${slackNs}`;
          t.true(ns <= mostNs * 1.05 + slackNs && ns >= leastNs * 0.95 - slackNs, figures);
        }
      }
      return compared;
    },
  };
}
