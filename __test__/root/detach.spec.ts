/** However a capture ends, none of its programs stays in the kernel. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { CaptureSession } from '../../src/index.js';
import { cli } from './cli.js';
import { Oracle } from './oracle.js';

/** The eBPF programs that a process holds. */
function programsOf(pid: number | 'self'): number[] {
  const ids = new Set<number>();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    let text = '';
    try {
      text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    } catch {
      // The descriptor that lists the folder is gone by now.
    }
    for (const [, id] of text.matchAll(/^prog_id:\s+(\d+)$/gm)) ids.add(Number(id));
  }
  return [...ids];
}

function loaded(): Set<number> {
  const { stdout, stderr } = spawnSync('bpftool', ['prog', 'list', '-j'], { encoding: 'utf8' });
  if (stdout === '') throw new Error(`bpftool: ${stderr}`);
  return new Set((JSON.parse(stdout) as Array<{ id: number }>).map(({ id }) => id));
}

async function assertGone(t: ExecutionContext, ids: readonly number[]): Promise<void> {
  t.true(ids.length >= 12, `${ids.length} programs were attached`);
  const left = () => ids.filter((id) => loaded().has(id));
  // The kernel frees a program some time after its last user is gone.
  for (let waitedMs = 0; left().length > 0 && waitedMs < 10_000; waitedMs += 50) await setTimeout(50);
  t.deepEqual(left(), []);
}

interface Capture {
  child: ReturnType<typeof spawn>;
  programs: number[];
}

/** A capture by the command line whose windows are being opened. */
async function capturing(oracle: Oracle): Promise<Capture> {
  const options = ['-f', 'ndjson', '--sample-time', '0.05', '--sample-count', '100000'];
  const child = spawn(process.execPath, [cli, 'capture', '-p', String(oracle.pid), ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await once(createInterface({ input: child.stdout }), 'line');
  const programs = programsOf(child.pid ?? 0);
  assertListed(programs);
  return { child, programs };
}

function assertListed(programs: readonly number[]): void {
  const all = loaded();
  if (programs.some((id) => !all.has(id))) throw new Error('bpftool does not list the programs of a capture');
}

for (const [title, signals] of [
  ['Ctrl-C', ['SIGINT']],
  ['two Ctrl-Cs', ['SIGINT', 'SIGINT']],
  ['SIGTERM', ['SIGTERM']],
  ['being killed', ['SIGKILL']],
] as const) {
  test.serial(`${title} leaves nothing attached`, async (t) => {
    const oracle = await Oracle.start('stdin-block');
    const { child, programs } = await capturing(oracle);
    const closed = once(child, 'close');
    for (const signal of signals) child.kill(signal);
    await closed;
    oracle.end();
    await assertGone(t, programs);
  });
}

test.serial('a closed session leaves nothing attached, and closing twice is harmless', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const session = await CaptureSession.open({ pid: oracle.pid });
  const programs = programsOf('self');
  session.start();
  const waiting = session.wait();
  await session.close();
  t.is(await waiting, 'interrupt');
  await session.close();
  t.true(session.closed);
  t.throws(() => session.start(1), { code: 'WRONG_STATE' });
  oracle.end();
  await assertGone(t, programs);
});

test.serial('a session that is closed while a sample is read detaches after that', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const session = await CaptureSession.open({ pid: oracle.pid });
  const programs = programsOf('self');
  session.start(0.01);
  await session.wait();
  const reading = session.read();
  const closing = session.close();
  t.true(session.closed);
  await closing;
  // Which came first is the machine's.
  const [read] = await Promise.allSettled([reading]);
  if (read.status === 'fulfilled') t.is(read.value.windowNs, 10_000_000);
  else t.is((read.reason as { code?: string }).code, 'WRONG_STATE');
  oracle.end();
  await assertGone(t, programs);
});

test.serial('a session that is dropped detaches when it is collected', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const script = `
    import { CaptureSession } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    await (async () => { (await CaptureSession.open({ pid: ${oracle.pid} })).start(); })();
    console.log('open');
    process.stdin.once('data', () => {
      // A finalizer runs in a turn of its own.
      setInterval(() => globalThis.gc(), 10);
    });`;
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(createInterface({ input: child.stdout }), 'line');
  const programs = programsOf(child.pid ?? 0);
  child.stdin.write('collect\n');
  await assertGone(t, programs);
  t.is(child.exitCode, null, 'the process lives on');
  child.kill();
  oracle.end();
});

test.serial('a process that ends with an open session leaves nothing attached', async (t) => {
  const oracle = await Oracle.start('stdin-block');
  const script = `
    import { CaptureSession } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    const session = await CaptureSession.open({ pid: ${oracle.pid} });
    session.start();
    console.log('open');
    process.stdin.once('data', () => process.exit(3));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(createInterface({ input: child.stdout }), 'line');
  const programs = programsOf(child.pid ?? 0);
  child.stdin.write('exit\n');
  const [code] = await once(child, 'exit');
  t.is(code, 3);
  oracle.end();
  await assertGone(t, programs);
});
