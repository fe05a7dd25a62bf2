/** Processes that the target forks. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import type { Report } from '../../src/index.js';
import { assertAddsUp, captured, counts, type Truth } from './captured.js';
import { butHiddenSwitches, cli } from './cli.js';

interface Children extends Truth {
  children: { pids: number[]; syscallsOfEach: Record<string, number> };
}

test.serial('each of 1,000 children that are followed has its entry and its calls', async (t) => {
  const { sample, truth, session } = await captured<Children>(['forkbomb', '1000'], { follow: true });
  assertAddsUp(t, sample);
  const { pids, syscallsOfEach } = truth.children;
  for (const pid of pids) {
    const entries = sample.threads.filter((thread) => thread.pid === pid);
    t.deepEqual(
      entries.map((thread) => [thread.tid, thread.exited, counts(thread)]),
      [[pid, true, syscallsOfEach]],
    );
  }
  const known = new Set(session.targets.map(({ pid }) => pid));
  t.true(pids.every((pid) => known.has(pid)));
});

test.serial('children that are not followed are not there', async (t) => {
  const { sample, truth } = await captured<Children>(['forkbomb', '100']);
  assertAddsUp(t, sample);
  t.deepEqual([...new Set(sample.threads.map(({ pid }) => pid))], [truth.pid]);
});

test.serial('a command and its children are captured to the end of the last one', async (t) => {
  const script = '/bin/true & exec 3< <(exec sleep 0.05); read -r line <&3; wait';
  const args = [cli, 'capture', '-f', 'json', '--follow', '--', 'bash', '-c', script];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  const { samples, targets } = JSON.parse(stdout) as Report;
  const [sample] = samples;
  if (sample === undefined) return t.fail('no sample');
  assertAddsUp(t, sample);
  t.is(sample.stop.by, 'exit');
  const names = sample.threads.map(({ comm }) => comm).sort();
  t.deepEqual(names, ['bash', 'sleep', 'true']);
  t.is(targets.length, 3);
  t.true(sample.threads.every(({ exited }) => exited));
  // bash ends with the status of its last read, which found the end of its input.
  t.regex(butHiddenSwitches(stderr), /^(kdelay: note: the command exited with status \d+\n)?$/);
});
