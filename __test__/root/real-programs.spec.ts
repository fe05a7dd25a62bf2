/** Triggers in programs that nobody wrote for this: servers, interpreters, run-time libraries, and what compilers make of names. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Sample } from '../../src/report/types.js';
import { cli, runMeanwhile, samples } from './cli.js';
import { Cluster } from './postgresql.js';
import { Programs } from './programs.js';

const programs = new Programs();
const cluster = new Cluster();
test.after.always(async () => {
  programs.end();
  await cluster.end();
});

/** Three windows of this process between the two, each opened and closed by the process itself. */
async function between(t: ExecutionContext, pid: number, start: string, stop: string): Promise<Sample[]> {
  const triggers = ['--start-trigger', start, '--stop-trigger', stop, '--trigger-timeout', '30'];
  const taken = await samples('-p', String(pid), ...triggers, '--sample-count', '3');
  t.is(taken.length, 3);
  for (const sample of taken) {
    t.deepEqual([sample.start.by, sample.stop.by], ['trigger', 'trigger']);
    t.deepEqual([sample.start.trigger?.pid, sample.stop.trigger?.pid], [pid, pid]);
  }
  return taken;
}

function counted({ threads }: Sample, name: string): number {
  const calls = threads.flatMap(({ syscalls }) => syscalls).filter((call) => call.name === name);
  return calls.reduce((sum, { count }) => sum + count, 0);
}

test.serial.before(() => cluster.start());

test.serial('a query of PostgreSQL, by its USDT probes and by its functions', async (t) => {
  await cluster.load(120);
  const [backend] = cluster.backends as [number];
  for (const [start, stop] of [
    ['u:postgresql:query__start', 'u:postgresql:query__done'],
    ['up:pg_parse_query', 'up:ReadyForQuery'],
    ['up:pg_plan_queries', 'ur:pg_plan_queries'],
  ] as const) {
    for (const sample of await between(t, backend, start, stop)) {
      t.is(sample.start.trigger?.comm, 'postgres');
      // The query has been received before, and its answer is sent after.
      t.is(counted(sample, 'recvfrom'), 0);
      t.is(counted(sample, 'sendto'), 0);
    }
  }
});

test.serial('a garbage collection of python3', async (t) => {
  const pid = await programs.start(
    '/usr/bin/python3',
    '-c',
    'import gc, os\nclass Dying:\n  def __init__(self): self.me = self\n  def __del__(self): os.getppid()\nwhile True:\n  Dying(); gc.collect(); os.getpgid(0)',
  );
  const { stdout } = await runMeanwhile(process.execPath, [cli, 'probes', '-p', String(pid), 'u:python:gc*']);
  t.regex(stdout, /^u:python:gc__start\t/m);
  for (const sample of await between(t, pid, 'u:python:gc__start', 'u:python:gc__done')) {
    t.is(counted(sample, 'getppid'), 1);
    t.is(counted(sample, 'getpgid'), 0);
  }
});

test.serial('an exception of C++, from its throw to its catch', async (t) => {
  const file = join(programs.folder, 'throwing');
  const program = `
#include <unistd.h>
struct Unwound { ~Unwound() { getppid(); } };
int main() {
  for (;;) {
    try { Unwound unwound; throw 1; } catch (int) { getpgid(0); }
  }
}`;
  writeFileSync(`${file}.cc`, program);
  execFileSync('g++', ['-O1', '-o', file, `${file}.cc`]);
  const pid = await programs.start(file);
  for (const sample of await between(t, pid, 'u:libstdcxx:throw', 'u:libstdcxx:catch')) {
    t.is(counted(sample, 'getppid'), 1);
    t.is(counted(sample, 'getpgid'), 0);
  }
});

test.serial('a function of Rust by its name in the source', async (t) => {
  const file = join(programs.folder, 'demo');
  const program = `
mod steps {
    #[inline(never)]
    pub fn work(rounds: u32) -> u32 {
        for _ in 0..rounds {
            std::hint::black_box(std::os::unix::process::parent_id());
        }
        std::hint::black_box(rounds)
    }
}
fn main() {
    loop {
        steps::work(7);
    }
}`;
  writeFileSync(`${file}.rs`, program);
  execFileSync('rustc', ['-O', '-o', file, `${file}.rs`]);
  const pid = await programs.start(file);
  for (const sample of await between(t, pid, 'up:demo::steps::work', 'ur:demo::steps::work'))
    t.is(counted(sample, 'getppid'), 7);
});
