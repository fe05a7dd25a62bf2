/** What a thread was doing: stopped, blocked, ready, in user code, in the kernel. */
import test from 'ava';
import {
  assertAddsUp,
  callOf,
  captured,
  counts,
  type Truth,
  type TruthThread,
  threadOf,
  truthOf,
} from './captured.js';

interface Stopped extends Truth {
  stoppedAtLeastNs: number;
  stoppedAtMostNs: number;
}

test.serial(
  'a stop of the process is told from blocking, for a thread that ran and for one that slept',
  async (t) => {
    const { sample, truth } = await captured<Stopped>(['stop', '50']);
    assertAddsUp(t, sample);
    for (const name of ['spinner', 'blocked']) {
      const { stopped, budget } = threadOf(sample, truthOf(truth, name).tid);
      t.is(stopped.count, 1, name);
      // From seeing it stopped to letting it go on, and from telling it to stop to seeing it run: the thread itself is in
      // between, give or take what it takes to be scheduled, which a busy machine decides.
      t.true(stopped.totalNs <= truth.stoppedAtMostNs, `${name} ${stopped.totalNs} ${truth.stoppedAtMostNs}`);
      t.true(
        stopped.totalNs >= truth.stoppedAtLeastNs * 0.9,
        `${name} ${stopped.totalNs} ${truth.stoppedAtLeastNs}`,
      );
      t.is(budget.stoppedNs, stopped.totalNs + stopped.clippedNs);
    }
    const { budget } = threadOf(sample, truthOf(truth, 'blocked').tid);
    t.true(budget.blockedNs + budget.stoppedNs <= budget.wallNs);
  },
);

interface KernelSpin extends Truth {
  threads: Array<TruthThread & { callNs?: number }>;
}

test.serial('a thread in one long call on a CPU is in the kernel for as long', async (t) => {
  const { sample, truth } = await captured<KernelSpin>(['spinkernel', '100']);
  assertAddsUp(t, sample);
  const burner = truth.threads.find(({ name }) => name === 'burner');
  if (burner?.callNs === undefined) return t.fail('no burner');
  const thread = threadOf(sample, burner.tid);
  const call = callOf(thread, 'readv');
  t.is(call?.count, 1);
  // The thread reads its clock outside of the call.
  t.true((call?.totalNs ?? 0) <= burner.callNs, `${call?.totalNs} ${burner.callNs}`);
  const { kernelNs, hardIrqNs, softIrqNs, readyPreemptedNs, unknownNs } = thread.budget;
  // All of the call is kernel time, but for interrupts, for waiting for the CPU, and for switches that the kernel hides.
  const during = kernelNs + hardIrqNs + softIrqNs + readyPreemptedNs + unknownNs;
  t.true(during >= (call?.totalNs ?? 0), `${during} ${call?.totalNs}`);
  return;
});

test.serial('a thread that spins has its time in user code, as schedstat has it', async (t) => {
  const { sample, truth } = await captured(['spin', '100']);
  assertAddsUp(t, sample);
  const { tid, schedstat } = truthOf(truth, 'spinner');
  const { run, budget } = threadOf(sample, tid);
  const runNs = run.totalNs + run.clippedNs;
  const { hardIrqNs, softIrqNs, unknownNs } = budget;
  const stolenNs = (truth.stolen?.ns ?? 0) + (truth.stolen?.resolutionNs ?? 0);
  // The scheduler's own account leaves out interrupts and what the hypervisor took.
  const tolerance = 2_000_000 + hardIrqNs + softIrqNs + unknownNs + stolenNs;
  t.true(Math.abs(runNs - (schedstat?.runNs ?? 0)) <= tolerance, `${runNs} ${schedstat?.runNs} ${tolerance}`);
  const outsideNs = budget.userNs + (budget.kernelOutsideCallsNs ?? 0);
  t.true(outsideNs >= runNs - hardIrqNs - softIrqNs - budget.kernelNs - unknownNs);
});

interface HandedOver extends Truth {
  threads: Array<TruthThread & { waitsSlept?: number; wakes?: number }>;
}

test.serial('each wait for the other thread ends in a wakeup, and each call is counted', async (t) => {
  const { sample, truth } = await captured<HandedOver>(['handoff', '2000']);
  assertAddsUp(t, sample);
  for (const name of ['ping', 'pong']) {
    const known = truth.threads.find((thread) => thread.name === name);
    if (known === undefined) return t.fail(name);
    const thread = threadOf(sample, known.tid);
    t.deepEqual(counts(thread), known.syscalls, name);
    // Once more as the work begins and perhaps once as it ends; a mutex or a page in between may add a few.
    const slept = known.waitsSlept ?? 0;
    const { count } = thread.ready.woken;
    if (sample.losses.switchesMissed === 0)
      t.true(count >= slept && count <= slept + 5, `${name} ${count} ${slept}`);
    t.is(thread.ready.count, count + thread.ready.preempted.count);
    t.is(
      thread.ready.histogram?.reduce((sum, bucket) => sum + bucket.count, 0),
      thread.ready.count,
    );
  }
  return;
});
