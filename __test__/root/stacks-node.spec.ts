/** Stacks of Node.js: native frames as gdb has them, generated code by the names that V8 writes down, or without names. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { SyscallEvent } from '../../src/index.js';
import { gdbFrames, likeGdb, names, plainName } from './gdb.js';
import { Programs } from './programs.js';
import { record } from './recorded.js';

const programs = new Programs();
test.after.always(() => programs.end());

const script = join(programs.folder, 'wait.js');
writeFileSync(
  script,
  `const x = new Int32Array(new SharedArrayBuffer(4));
function innermost(n) { return Atomics.wait(x, 0, 0, n); }
function middle(n) { let s = 0; for (let i = 0; i < 10; i++) s += i; return innermost(n) + s; }
function outer(n) { return middle(n) + 1; }
function forever() { outer(3); setImmediate(forever); }
for (let i = 0; i < 3000; i++) outer(0);
forever();`,
);

/** Its calls from the functions above, each with the same frames as gdb's up to the first in generated code. */
async function waits(t: ExecutionContext, ...options: string[]): Promise<SyscallEvent[]> {
  // V8 writes a log where it is started.
  const command = `cd '${programs.folder}' && exec "$@"`;
  // Each function is compiled at once, and none into another one.
  const node = [process.execPath, '--no-opt', '--always-sparkplug', ...options, script];
  const pid = await programs.start('sh', '-c', command, 'sh', ...node);
  t.teardown(() => rmSync(`/tmp/perf-${pid}.map`, { force: true }));
  const { calls } = await record(pid, 'futex', '--user-stack-bytes', '65536');
  const own = calls.filter(({ userStack }) =>
    names(userStack).some((name) => name?.includes('ConditionVariable::WaitFor')),
  );
  t.true(own.length > 0);
  const gdb = gdbFrames(programs.folder, pid, 'futex', 'ConditionVariable::WaitFor');
  for (const { userStack, userStackEnd } of own) {
    t.is(userStackEnd, 'complete');
    t.is(userStack.at(-1)?.symbol, '_start');
    const generated = userStack.findIndex(({ module }) => module === null);
    t.true(generated > 5);
    const plain = (frames: typeof gdb) =>
      frames.slice(0, generated).map(({ name, address }) => [plainName(name), address]);
    t.deepEqual(plain(likeGdb(userStack)), plain(gdb));
  }
  return own;
}

test.serial('functions in JavaScript have their names with --perf-basic-prof', async (t) => {
  for (const { userStack } of await waits(t, '--perf-basic-prof')) {
    const generated = userStack.filter(({ module }) => module === null).map(({ symbol }) => symbol ?? '');
    t.deepEqual(
      generated.slice(0, 4).map((name) => name.replace(/^JS:\W?(\w+) .*/, '$1')),
      ['innermost', 'middle', 'outer', 'forever'],
    );
    t.true(generated[0]?.endsWith('wait.js:2:19'));
  }
});

test.serial('without it they are frames without names, and the stack is complete all the same', async (t) => {
  for (const { userStack } of await waits(t)) {
    const generated = userStack.filter(({ module }) => module === null);
    t.true(generated.length >= 4);
    t.true(generated.every(({ symbol, moduleAddress }) => symbol === null && moduleAddress === null));
  }
});
