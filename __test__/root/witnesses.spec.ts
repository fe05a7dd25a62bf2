/** The same program watched by others: strace counts its calls, the scheduler keeps its own account of its threads. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { CaptureSession, type Report } from '../../src/index.js';
import { assertAddsUp, counts } from './captured.js';

const run = promisify(execFile);
const built = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Does the same every time, but for what the loader's addresses decide. */
const command = ['tar', '--create', '--file=/dev/null', '--sort=name', built('crates')];

/** Calls by name from `strace -c`: "% time  seconds  usecs/call  calls  [errors]  syscall". */
async function countedByStrace(): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'kdelay-strace-'));
  try {
    const file = join(folder, 'counts');
    await run('strace', ['-f', '-c', '-o', file, ...command]);
    const rows = (await readFile(file, 'utf8')).matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm);
    const all = [...rows].map(([, count, name]) => [name, Number(count)] as const);
    return Object.fromEntries(all.filter(([name]) => name !== 'total'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test.serial('strace counts the same calls of the same command', async (t) => {
  const [first, second] = [await countedByStrace(), await countedByStrace()];
  const { stdout } = await run(
    process.execPath,
    [built('dist/cli.js'), 'capture', '-f', 'json', '--', ...command],
    {
      maxBuffer: 64 << 20,
    },
  );
  const [sample] = (JSON.parse(stdout) as Report).samples;
  if (sample === undefined) return t.fail('no sample');
  assertAddsUp(t, sample);
  const [thread] = sample.threads;
  if (thread === undefined || sample.threads.length > 1) return t.fail('not one thread');
  const counted = counts(thread);
  // What differs from run to run is no witness. strace names some calls otherwise than the kernel's table does.
  const names = Object.keys(first).filter((name) => first[name] === second[name]);
  t.true(names.length >= 15, names.join());
  t.true(names.some((name) => (first[name] ?? 0) > 100));
  for (const name of names) {
    const count = counted[strangeNames[name] ?? name] ?? 0;
    // A call that does not return is in flight for us.
    const expected = name === 'exit_group' ? 0 : (first[name] ?? 0);
    t.is(count, expected, name);
  }
  return;
});

const strangeNames: Record<string, string> = { fstatat64: 'newfstatat' };

interface Schedstat {
  runNs: number;
  readyNs: number;
}

async function schedstats(pid: number): Promise<Map<number, Schedstat>> {
  const stats = new Map<number, Schedstat>();
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    // A thread may end while the others are being read.
    const text = await readFile(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').catch(() => '');
    const [runNs, readyNs] = text.split(' ').map(Number);
    if (runNs !== undefined && readyNs !== undefined) stats.set(Number(tid), { runNs, readyNs });
  }
  return stats;
}

test.serial('the scheduler’s own account of each thread of the demo is the same', async (t) => {
  const demo = spawn(built('target/release/kdelay-demo'), ['60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(demo, 'exit');
  try {
    await once(createInterface({ input: demo.stdout }), 'line');
    const pid = demo.pid ?? 0;
    await using session = await CaptureSession.open({ pid });
    const outerBefore = await schedstats(pid);
    session.start();
    const innerBefore = await schedstats(pid);
    await setTimeout(1000);
    const innerAfter = await schedstats(pid);
    session.stop();
    await session.wait();
    const sample = await session.read();
    const outerAfter = await schedstats(pid);
    assertAddsUp(t, sample);
    let compared = 0;
    for (const { tid, comm, exited, run, ready, budget } of sample.threads) {
      const [a, b, c, d] = [outerBefore, innerBefore, innerAfter, outerAfter].map((stats) => stats.get(tid));
      if (exited || a === undefined || b === undefined || c === undefined || d === undefined) continue;
      compared++;
      // The window lies between the outer readings, and the inner ones in the window. The account of a thread that is
      // on a CPU, or waits for one, is brought up to date at a tick only: 4 ms at 250 Hz, 10 ms at 100 Hz. It leaves out
      // interrupts, and what the hypervisor took.
      const tolerance = 20_000_000 + budget.hardIrqNs + budget.softIrqNs + budget.unknownNs;
      const runNs = run.totalNs + run.clippedNs;
      const readyNs = ready.totalNs + ready.clippedNs;
      const least = 1 - 0.05;
      t.true(runNs <= d.runNs - a.runNs + tolerance, `${comm} run ${runNs} at most ${d.runNs - a.runNs}`);
      t.true(
        runNs >= (c.runNs - b.runNs) * least - tolerance,
        `${comm} run ${runNs} at least ${c.runNs - b.runNs}`,
      );
      t.true(
        readyNs <= d.readyNs - a.readyNs + tolerance,
        `${comm} ready ${readyNs} at most ${d.readyNs - a.readyNs}`,
      );
      t.true(
        readyNs >= (c.readyNs - b.readyNs) * least - tolerance,
        `${comm} ready ${readyNs} at least ${c.readyNs - b.readyNs}`,
      );
    }
    t.true(compared >= 8, `${compared} threads`);
    const busiest = Math.max(...sample.threads.map(({ run }) => run.totalNs + run.clippedNs));
    t.true(busiest > 100_000_000, 'the demo computes, so that there is something to compare');
  } finally {
    demo.kill();
    await ended;
  }
});
