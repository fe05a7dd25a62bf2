/** What a target is called: a command by what it executes, and whoever executes another program by that. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { CaptureSession, type Report } from '../../src/index.js';
import { cli, runMeanwhile } from './cli.js';

test('a command is called by what it executes, however short it is', async (t) => {
  for (const command of [
    ['sleep', '0.01'],
    ['true', 'with', 'words'],
  ]) {
    const ran = await runMeanwhile(process.execPath, [cli, 'capture', '-f', 'json', '--', ...command]);
    t.is(ran.status, 0, ran.stderr);
    const [target] = (JSON.parse(ran.stdout) as Report).targets;
    t.is(target?.comm, command[0]);
    t.regex(target?.exe ?? '', new RegExp(`/${command[0]}$`));
    t.deepEqual(target?.cmdline, command);
  }
});

test('a process that executes another program is called by that from then on', async (t) => {
  const child = spawn('sh', ['-c', 'read line; exec sleep 600'], { stdio: ['pipe', 'ignore', 'inherit'] });
  await once(child, 'spawn');
  try {
    await using session = await CaptureSession.open({ pid: child.pid as number });
    t.is(session.targets[0]?.comm, 'sh');
    session.start();
    child.stdin?.end('\n');
    let sleeps = false;
    while (!sleeps) {
      await delay(1);
      sleeps = /sleep/.test((await runMeanwhile('cat', [`/proc/${child.pid}/comm`])).stdout);
    }
    session.stop();
    await session.wait();
    await session.read();
    const [target] = session.targets;
    t.is(target?.comm, 'sleep');
    t.regex(target?.exe ?? '', /\/sleep$/);
    t.deepEqual(target?.cmdline, ['sleep', '600']);
  } finally {
    child.kill();
  }
});
