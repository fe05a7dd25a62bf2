/** Stacks of recorded calls in real programs: from the thread's first function to where the kernel let it wait. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Frame, SyscallEvent } from '../../src/index.js';
import { cli, runMeanwhile, samples } from './cli.js';
import { Cluster } from './postgresql.js';
import { Programs } from './programs.js';

const programs = new Programs();
const cluster = new Cluster();
test.serial.before(() => cluster.start());
test.after.always(async () => {
  programs.end();
  await cluster.end();
});

async function events(...args: string[]): Promise<SyscallEvent[]> {
  return (await samples(...args)).flatMap(({ syscallEvents }) => syscallEvents);
}

const kdelayMeanwhile = (...args: string[]) => runMeanwhile(process.execPath, [cli, ...args]);

const names = (frames: readonly Frame[]) => frames.map(({ symbol }) => symbol);

let compiled = 0;

/** Without frame pointers, as distributions compile. */
function compile(source: string, ...flags: string[]): string {
  const file = join(programs.folder, `program-${++compiled}`);
  writeFileSync(`${file}.c`, source);
  execFileSync('gcc', ['-O2', '-fomit-frame-pointer', '-g', '-o', file, `${file}.c`, ...flags]);
  return file;
}

const chain = `
#include <time.h>
#define NEVER_INLINED __attribute__((noinline))
NEVER_INLINED int inner(int x) { struct timespec t = { 0, 3000000 }; nanosleep(&t, 0); return x + 1; }
static inline __attribute__((always_inline)) int inlined(int x) { return inner(x) * 3; }
NEVER_INLINED int middle(int x) { return inlined(x) + 5; }
NEVER_INLINED int outer(int x) { return middle(x) * 2; }`;

test.serial('a call without frame pointers, from main to where it slept', async (t) => {
  const pid = await programs.start(compile(`${chain}\nint main() { for (int i = 0;; i++) outer(i); }`));
  const recorded = await events('-p', String(pid), '-s', '1000000');
  t.true(recorded.length > 10);
  for (const event of recorded) {
    t.is(event.name, 'clock_nanosleep');
    t.is(event.userStackEnd, 'complete');
    const own = names(event.userStack);
    const from = own.indexOf('inner');
    t.deepEqual(own.slice(from, from + 5), ['inner', 'inlined', 'middle', 'outer', 'main']);
    t.is(own.at(-1), '_start');
    const [frame] = event.userStack.filter(({ symbol }) => symbol === 'inlined');
    t.true(frame?.inlined);
    t.regex(frame?.file ?? '', /program-\d+\.c$/);
    t.is(frame?.line, 5);
    if (event.wait === null) continue;
    t.true(event.wait.offCpuNs <= event.durationNs);
    t.true(names(event.kernelStack).includes('hrtimer_nanosleep'));
    t.is(event.kernelStack[0]?.module, '[kernel]');
  }
  t.true(recorded.some(({ wait }) => wait !== null));
});

test.serial('a copy that is too short says so', async (t) => {
  const deep = `${chain}
NEVER_INLINED int deep(int x) { volatile char room[6000]; room[x % 6000] = 1; return outer(x) + room[x % 6000]; }
int main() { for (int i = 0;; i++) deep(i); }`;
  const pid = await programs.start(compile(deep));
  const ends = async (bytes: string) =>
    new Set(
      (await events('-p', String(pid), '-s', '1000000', '--user-stack-bytes', bytes)).map(
        ({ userStackEnd }) => userStackEnd,
      ),
    );
  t.deepEqual(await ends('4096'), new Set(['cut']));
  t.deepEqual(await ends('8192'), new Set(['complete']));
  t.deepEqual(await ends('0'), new Set([null]));
});

test.serial('a process that executes another program has that one’s functions', async (t) => {
  const second = compile(
    `${chain.replaceAll('outer', 'second_outer')}\nint main() { for (int i = 0; i < 100; i++) second_outer(i); }`,
    '-no-pie',
  );
  const first = `${chain}
#include <unistd.h>
int main() { for (int i = 0; i < 100; i++) outer(i); execl("${second}", "second", (char *)0); return 1; }`;
  // At the same addresses, and the call that begins the second is none of those that are recorded.
  const recorded = await events('-s', '1000000', '--', compile(first, '-no-pie'));
  const of = (name: string) => recorded.filter(({ userStack }) => names(userStack).includes(name));
  t.is(of('outer').length, 100);
  t.is(of('second_outer').length, 100);
  const sleeps = recorded.filter(({ name }) => name === 'clock_nanosleep');
  t.is(of('outer').length + of('second_outer').length, sleeps.length);
});

test.serial('without stacks there are none', async (t) => {
  const pid = await programs.start(compile(`${chain}\nint main() { for (int i = 0;; i++) outer(i); }`));
  const recorded = await events('-p', String(pid), '-s', '1000000', '--stack-trace-size', '0');
  t.true(recorded.length > 0);
  for (const { kernelStack, userStack, userStackEnd, wait } of recorded)
    t.deepEqual([kernelStack, userStack, userStackEnd, wait], [[], [], null, null]);
});

test.serial('time blocked is summed up by stack, in JSON, in text and folded', async (t) => {
  const ways = `${chain}
NEVER_INLINED int often(int x) { for (int i = 0; i < 20; i++) { struct timespec s = { 0, 100000 }; nanosleep(&s, 0); } return x; }
int main() { for (int i = 0;; i++) { outer(i); often(i); } }`;
  const pid = await programs.start(compile(ways));
  const args = ['-p', String(pid), '--off-cpu', '--sample-time', '1'];
  const [sample] = await samples(...args);
  const times = sample?.offCpu ?? [];
  const through = (name: string) => times.filter(({ userStack }) => names(userStack).includes(name));
  const [once, others] = [through('outer'), through('often')];
  t.deepEqual([once.length, others.length], [1, 1]);
  t.true((others[0]?.count ?? 0) > 10 * (once[0]?.count ?? 0));
  for (const { userStackEnd, kernelStack, totalNs, maxNs } of [...once, ...others]) {
    t.is(userStackEnd, 'complete');
    t.true(names(kernelStack).includes('hrtimer_nanosleep'));
    t.true(maxNs > 0 && maxNs <= totalNs);
  }
  const total = times.reduce((sum, { totalNs }) => sum + totalNs, 0);
  t.true(total <= (sample?.threads[0]?.budget.blockedNs ?? 0));
  const text = await kdelayMeanwhile(
    'capture',
    ...args.map((arg) => (arg === '--off-cpu' ? '--off-cpu=1' : arg)),
  );
  t.regex(text.stdout, /# OFF-CPU TIME:[\s\S]*called from:[\s\S]*\n {2}\(1 more stacks: [\d,]+ ns/);
  const folded = await kdelayMeanwhile('capture', ...args, '-f', 'folded');
  const lines = folded.stdout.trimEnd().split('\n');
  // A page that is not there may make it wait, too.
  const ours = lines.filter((line) => /outer|often/.test(line));
  t.is(ours.length, 2);
  for (const line of ours)
    t.regex(line, /^\S+;_start;\S*main;\S*(outer|often);\S*hrtimer_nanosleep_\[k\]\S* \d+$/);
});

test.serial('slow calls of PostgreSQL from Debian under pgbench reach the first function', async (t) => {
  await cluster.load(120);
  const recorded: SyscallEvent[] = [];
  // How many calls are slow is the machine's.
  for (let captures = 0; recorded.length < 50 && captures < 20; captures++)
    recorded.push(...(await events('-n', 'postgres', '--all', '-s', '1000000', '--sample-time', '2')));
  t.true(recorded.length >= 50, String(recorded.length));
  const complete = recorded.filter(({ userStack, userStackEnd }) => {
    const first = userStack.at(-1)?.symbol ?? '';
    return userStackEnd === 'complete' && /^(_start|clone3?|__clone3?)$/.test(first);
  });
  t.log(`${complete.length} of ${recorded.length} stacks reach the first function`);
  t.true(complete.length >= recorded.length * 0.95);
});
