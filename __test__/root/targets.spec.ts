/** Several processes, several windows, and what is printed when. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import type { Header, Report, Sample } from '../../src/index.js';
import { butHiddenSwitches, cli, kdelay, run, runMeanwhile } from './cli.js';

const folder = mkdtempSync(join(tmpdir(), 'kdelay-targets-'));
test.after.always(() => rmSync(folder, { recursive: true }));

/** Sleeping processes that nobody else on the machine has the name of. */
async function sleepers(name: string, count: number): Promise<{ pids: number[]; end(): void }> {
  const program = join(folder, name);
  copyFileSync('/bin/sleep', program);
  const children: ChildProcess[] = Array.from({ length: count }, () => spawn(program, ['600']));
  await Promise.all(children.map((child) => once(child, 'spawn')));
  return {
    pids: children.map(({ pid }) => pid ?? 0),
    end() {
      for (const child of children) child.kill();
    },
  };
}

const brief = ['--sample-time', '0.02'];

/** As with a server that forks for each request: two of its processes always begin or end, and some stay. */
for (const [title, options] of [
  ['', brief],
  [' and follows', [...brief, '--follow']],
  // Those that stay sleep all along, so that it may never fire: then the window is closed and printed.
  [' and has triggers', ['--stop-trigger', 'up:libc.so.6:clock_nanosleep', '--trigger-timeout', '0.05']],
] as const) {
  test.serial(`a name whose processes come and go has those that are there${title}`, async (t) => {
    const name = `kdelay-brief${options.length}`;
    const { pids, end } = await sleepers(name, 5);
    const short = `while kill -0 $PPID; do '${join(folder, name)}' 0.00$((RANDOM % 9 + 1)); done`;
    const loops = [1, 2].map(() => spawn('bash', ['-c', short], { stdio: 'ignore' }));
    try {
      for (let runs = 5; runs > 0; runs--) {
        const args = ['capture', '-n', name, '--all', ...options, '-f', 'json'];
        const { status, stdout, stderr } = await runMeanwhile(process.execPath, [cli, ...args]);
        t.true(status === 0 || (status === 75 && options.length > 3), `${status} ${stderr}`);
        const { targets } = JSON.parse(stdout) as Report;
        for (const pid of pids) t.true(targets.some((target) => target.pid === pid));
        const [, leftOut] = /^kdelay: note: (\d+) of \d+ processes had ended before/m.exec(stderr) ?? [];
        t.true(leftOut === undefined || Number(leftOut) > 0);
      }
    } finally {
      for (const loop of loops) loop.kill();
      end();
    }
  });
}

for (const [name, title, options] of [
  ['kdelay-pair-a', '-p A,B', (a: number, b: number) => ['-p', `${a},${b}`]],
  ['kdelay-pair-b', '-p A -p B', (a: number, b: number) => ['-p', String(a), '-p', String(b)]],
] as const) {
  test(`two processes given as ${title} are told apart`, async (t) => {
    const { pids, end } = await sleepers(name, 2);
    const [a = 0, b = 0] = pids;
    const json = kdelay('capture', ...options(a, b), ...brief, '-f', 'json');
    const text = kdelay('capture', ...options(a, b), ...brief);
    end();
    t.is(json.status, 0, json.stderr);
    const { targets, samples } = JSON.parse(json.stdout) as Report;
    t.deepEqual(
      targets.map(({ pid, comm }) => [pid, comm]),
      [
        [a, name],
        [b, name],
      ],
    );
    t.deepEqual(
      samples[0]?.threads.map(({ pid, tid }) => [pid, tid]).sort(),
      [
        [a, a],
        [b, b],
      ].sort(),
    );
    for (const pid of pids) t.regex(text.stdout, new RegExp(`^# Process ${pid} ${name}$`, 'm'));
  });
}

test('a name with one match, and with --all each of several', async (t) => {
  const one = await sleepers('kdelay-single', 1);
  const single = kdelay('capture', '-n', 'kdelay-single', ...brief, '-f', 'json');
  one.end();
  t.deepEqual(
    (JSON.parse(single.stdout) as Report).targets.map(({ pid }) => pid),
    one.pids,
  );
  const three = await sleepers('kdelay-several', 3);
  const several = kdelay('capture', '-n', 'kdelay-several', '--all', ...brief, '-f', 'json');
  three.end();
  t.deepEqual(
    (JSON.parse(several.stdout) as Report).targets.map(({ pid }) => pid).sort(),
    [...three.pids].sort(),
  );
});

test('windows have their length, do not overlap, and lie as far apart as asked', async (t) => {
  const { pids, end } = await sleepers('kdelay-windows', 1);
  const args = ['--sample-count', '3', '--sample-time', '0.03', '--sample-interval', '0.05', '-f', 'json'];
  const { stdout } = kdelay('capture', '-p', String(pids[0]), ...args);
  end();
  const { samples } = JSON.parse(stdout) as Report;
  t.deepEqual(
    samples.map(({ index, windowNs }) => [index, windowNs]),
    [0, 1, 2].map((index) => [index, 30_000_000]),
  );
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1];
    if (before === undefined) continue;
    const pauseNs = BigInt(sample.start.monotonicNs) - BigInt(before.stop.monotonicNs);
    t.true(pauseNs >= 50_000_000n, `${pauseNs}`);
  }
});

test('ndjson comes a line at a time, as the samples end', async (t) => {
  const { pids, end } = await sleepers('kdelay-lines', 1);
  const args = [cli, 'capture', '-p', String(pids[0]), '--sample-count', '1000', ...brief, '-f', 'ndjson'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const header = JSON.parse((await lines.next()).value) as Header;
  t.is(header.schema, 'kdelay/1');
  for (const index of [0, 1, 2]) t.is((JSON.parse((await lines.next()).value) as Sample).index, index);
  // It is far from done: Ctrl-C ends it in order.
  child.kill('SIGINT');
  const rest: Sample[] = [];
  for (let next = await lines.next(); !next.done; next = await lines.next())
    rest.push(JSON.parse(next.value));
  if (child.exitCode === null) await once(child, 'exit');
  end();
  t.is(child.exitCode, 0);
  t.true(rest.length < 990);
  t.deepEqual(
    rest.map(({ index }) => index),
    rest.map((_, index) => index + 3),
  );
});

test('the end of the target ends its window and the run, and that is said', async (t) => {
  const target = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(target, 'spawn');
  const args = ['capture', '-p', String(target.pid), '--sample-count', '100000', ...brief, '-f', 'ndjson'];
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = once(child, 'close');
  const samples: Sample[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // Once the second line is there, windows are being opened.
    target.stdin.end();
    const value = JSON.parse(line) as Header | Sample;
    if ('index' in value) samples.push(value);
  }
  await closed;
  t.is(child.exitCode, 0, stderr);
  t.regex(
    butHiddenSwitches(stderr),
    /^kdelay: note: the target ended; .*\nkdelay: note: \d+ of 100000 samples were not taken/,
  );
  t.deepEqual(
    samples.slice(0, -1).filter(({ stop }) => stop.by !== 'time'),
    [],
  );
});

test('progress is for terminals, and for windows of more than a second', async (t) => {
  const { pids, end } = await sleepers('kdelay-progress', 1);
  const capture = (seconds: string) =>
    `${process.execPath} ${cli} capture -p ${pids[0]} --sample-time ${seconds} -o /dev/null`;
  const onTerminal = run('script', ['-qec', capture('2.2'), '/dev/null']);
  const short = run('script', ['-qec', capture('0.5'), '/dev/null']);
  const piped = run('sh', ['-c', capture('1.5')]);
  end();
  t.is(onTerminal.status, 0);
  t.regex(onTerminal.stdout, /2 s/);
  t.is(short.stdout, '');
  t.is(piped.stdout + butHiddenSwitches(piped.stderr), '');
});
