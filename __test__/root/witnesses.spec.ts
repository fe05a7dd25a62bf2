/** The same program watched by others: strace counts its calls, the scheduler keeps its own account of its threads. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { CaptureSession, type Report } from '../../src/index.js';
import { assertAddsUp, counts } from './captured.js';
import { witnessed } from './schedstat.js';

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

test.serial('the scheduler’s own account of each thread of the demo is the same', async (t) => {
  const demo = spawn(built('target/release/kdelay-demo'), ['60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(demo, 'exit');
  try {
    await once(createInterface({ input: demo.stdout }), 'line');
    const pid = demo.pid ?? 0;
    await using session = await CaptureSession.open({ pid });
    const { sample, assertAgrees } = await witnessed(session, [pid], 1000);
    assertAddsUp(t, sample);
    t.true(assertAgrees(t) >= 8);
    const busiest = Math.max(...sample.threads.map(({ run }) => run.totalNs + run.clippedNs));
    t.true(busiest > 100_000_000, 'the demo computes, so that there is something to compare');
  } finally {
    demo.kill();
    await ended;
  }
});
