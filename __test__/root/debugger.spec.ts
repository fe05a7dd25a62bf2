/** SIGUSR1 opens no debugger in kdelay, which would run anybody's code with its rights. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { cli } from './cli.js';

/** Any free port: the usual one may be another test's. */
const anyPort = '--inspect-port=0';
const patienceMs = 20_000;

/** Whether the process listens on a TCP port. */
function listens({ pid }: ChildProcess): boolean {
  const listening = ['tcp', 'tcp6']
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === '0A')
    .map((columns) => `socket:[${columns[9]}]`);
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return listening.includes(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // It was closed meanwhile.
      return false;
    }
  });
}

async function listensSoon(child: ChildProcess): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 20) {
    if (listens(child)) return true;
    await setTimeout(20);
  }
  return false;
}

function start(nodeOptions: readonly string[], args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [anyPort, ...nodeOptions, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
}

const samples = [
  'capture',
  '-p',
  String(process.pid),
  '-f',
  'ndjson',
  '--sample-time',
  '0.05',
  '--sample-count',
  '100000',
];

/** kdelay, once it has printed so many lines. */
async function capturing(
  nodeOptions: readonly string[],
): Promise<{ child: ChildProcess; lines: (count: number) => Promise<void> }> {
  const child = start(nodeOptions, [cli, ...samples]);
  if (child.stdout === null) throw new Error('it has no stdout');
  const printed = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const lines = async (count: number) => {
    for (let line = 0; line < count; line++) if ((await printed.next()).done) throw new Error('it has ended');
  };
  await lines(2);
  return { child, lines };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

// What the other tests would see of it: without it they could not fail.
test.serial('Node opens its debugger for whoever sends SIGUSR1', async (t) => {
  const child = start([], ['-e', 'console.log(1); setInterval(() => {}, 1000)']);
  if (child.stdout === null) return t.fail();
  await once(child.stdout, 'data');
  child.kill('SIGUSR1');
  t.true(await listensSoon(child));
  await end(child);
});

test.serial('kdelay does not, and captures on', async (t) => {
  const { child, lines } = await capturing([]);
  for (let sent = 0; sent < 5; sent++) {
    child.kill('SIGUSR1');
    await lines(4);
    t.false(listens(child));
  }
  await end(child);
});

test.serial('a debugger that was opened before kdelay could forbid it is closed', async (t) => {
  const signal =
    'import inspector from "node:inspector"; process.kill(process.pid, "SIGUSR1"); while (inspector.url() === undefined) await new Promise(setImmediate);';
  const { child, lines } = await capturing([
    '--import',
    `data:text/javascript,${encodeURIComponent(signal)}`,
  ]);
  await lines(4);
  t.false(listens(child));
  await end(child);
});

test.serial('whoever asks Node for it has it', async (t) => {
  const child = start(['--inspect=0'], [cli, ...samples]);
  t.true(await listensSoon(child));
  child.kill('SIGUSR1');
  await end(child);
});
