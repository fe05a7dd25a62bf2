/** A process that becomes another program while it is watched. */
import test from 'ava';
import { assertAddsUp, callOf, captured, counts, type Truth } from './captured.js';

interface Execed extends Omit<Truth, 'threads'> {
  threads: never;
  threadsAfter: Array<{ tid: number; syscalls: Record<string, number> }>;
  before: { tid: number; syscalls: Record<string, number> };
}

for (const [mode, who] of [
  ['exec', 'the main thread'],
  ['execthread', 'another thread, which takes over the main thread’s tid'],
] as const) {
  test.serial(`calls before and after an exec by ${who} are on one account`, async (t) => {
    const { sample, truth } = await captured<Execed>([mode]);
    assertAddsUp(t, sample);
    const [after] = truth.threadsAfter;
    if (after === undefined) return t.fail('the exec failed');
    const survivors = sample.threads.filter(({ exited }) => !exited);
    t.deepEqual(
      survivors.map(({ tid }) => tid),
      [after.tid],
    );
    const [survivor] = survivors;
    if (survivor === undefined) return t.fail('no survivor');
    t.is(survivor.comm, 'kdelay-oracle');
    const { getppid, execve, write } = counts(survivor);
    t.is(getppid, (truth.before.syscalls['getppid'] ?? 0) + (after.syscalls['getppid'] ?? 0));
    t.is(write, after.syscalls['write']);
    t.is(execve, 1);
    // The main thread is ended by the kernel inside the call that it was in.
    const ended = sample.threads.filter(({ exited }) => exited);
    t.is(ended.length, mode === 'exec' ? 0 : 1);
    for (const thread of ended) t.is(callOf(thread, 'execve'), undefined);
  });
}
