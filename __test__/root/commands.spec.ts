/** A command that does not get to begin, as on a file system that does not answer: here it is stopped. Node waits for nothing of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { native } from '../../src/native/index.js';
import { cli } from './cli.js';

/** Of a file in /proc; `''`: there is no such process, or no such thread, any more. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Of /proc/PID/stat; `''`: there is no such process. */
const stateOf = (pid: number): string => /\) (\S)/.exec(contentOf(`/proc/${pid}/stat`))?.[1] ?? '';

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(1);
}

async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(() => stateOf(pid) === 'T');
}

const { BindingCommand } = native();

test.serial('the event loop turns while a command does not get to begin', async (t) => {
  const command = BindingCommand.spawn(['sh', '-c', 'exit 7'], false);
  await stop(command.pid);
  let isOver = false;
  const release = command.release().finally(() => {
    isOver = true;
  });
  await delay(1);
  t.false(isOver);
  t.is(command.status(), null);
  process.kill(command.pid, 'SIGCONT');
  t.true(await release);
  await until(() => command.status() !== null);
  t.deepEqual(command.status(), { code: 7, signal: null });
});

test.serial('closing a command that does not get to begin kills it, and ends its release', async (t) => {
  const command = BindingCommand.spawn(['sh', '-c', 'exit 7'], false);
  await stop(command.pid);
  const release = command.release();
  command.close();
  t.false(await release);
  await until(() => stateOf(command.pid) === '');
  t.deepEqual(command.status(), { code: null, signal: 9 });
});

test.serial('Ctrl-C ends a capture whose command does not get to begin', async (t) => {
  const child = spawn(process.execPath, [cli, 'capture', '-f', 'json', '--', 'sleep', '600'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  const tasks = `/proc/${child.pid}/task`;
  const childrenOf = () => readFileSync(`${tasks}/${child.pid}/children`, 'utf8').trim();
  await until(() => childrenOf() !== '');
  const command = Number(childrenOf());
  await stop(command);
  t.notRegex(readFileSync(`/proc/${command}/cmdline`, 'utf8'), /^sleep/, 'it is held still');
  const names = () => readdirSync(tasks).map((tid) => contentOf(`${tasks}/${tid}/comm`).trim());
  await until(() => names().includes('kdelay-release'));
  child.kill('SIGINT');
  const [stdout, stderr, [code]] = await ended;
  t.is(code, 0);
  t.is(JSON.parse(stdout).samples[0].stop.by, 'interrupt');
  t.regex(stderr, /^kdelay: note: the command was not run$/m);
  // Whose parent has ended it may still be waited for.
  await until(() => ['', 'Z'].includes(stateOf(command)));
  t.pass();
});
