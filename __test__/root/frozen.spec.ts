/** Threads that a control group's freezer keeps from going on: of either kind of control groups, in the window and over its edges. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { CaptureSession } from '../../src/index.js';
import type { Thread } from '../../src/report/types.js';
import { budgetError } from './captured.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

const source = `
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>
static void *sleeps(void *unused) { prctl(PR_SET_NAME, "sleeper"); for (;;) sleep(1000); return unused; }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, 0, sleeps, 0);
  prctl(PR_SET_NAME, "spinner");
  for (;;) __asm__ volatile("");
}`;

interface Freezer {
  readonly kind: string;
  readonly parent: string | undefined;
  readonly tasks: string;
  readonly control: string;
  readonly values: readonly [thawed: string, frozen: string];
  readonly state: readonly [file: string, frozen: RegExp, thawed: RegExp];
  /** The first kind freezes where it is what sleeps: nothing happens then that would tell. */
  readonly wakesSleepers: boolean;
}

const freezers: readonly Freezer[] = [
  {
    kind: 'first',
    parent: ['/sys/fs/cgroup/freezer'].find((folder) => existsSync(join(folder, 'tasks'))),
    tasks: 'tasks',
    control: 'freezer.state',
    values: ['THAWED', 'FROZEN'],
    state: ['freezer.state', /^FROZEN$/m, /^THAWED$/m],
    wakesSleepers: false,
  },
  {
    kind: 'second',
    parent: ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((folder) =>
      existsSync(join(folder, 'cgroup.controllers')),
    ),
    tasks: 'cgroup.procs',
    control: 'cgroup.freeze',
    values: ['0', '1'],
    state: ['cgroup.events', /^frozen 1$/m, /^frozen 0$/m],
    wakesSleepers: true,
  },
];

class Group {
  readonly folder: string;
  readonly #freezer: Freezer;

  constructor(freezer: Freezer, parent: string, pid: number) {
    this.#freezer = freezer;
    this.folder = join(parent, `kdelay-test-${pid}`);
    mkdirSync(this.folder);
    writeFileSync(join(this.folder, freezer.tasks), `${pid}`);
  }

  async set(frozen: boolean): Promise<void> {
    const { control, values, state } = this.#freezer;
    writeFileSync(join(this.folder, control), values[Number(frozen)] ?? '');
    const wanted = frozen ? state[1] : state[2];
    while (!wanted.test(readFileSync(join(this.folder, state[0]), 'utf8'))) await delay(1);
  }

  /** When its process has ended: until it has left, the folder is busy. */
  async remove(pid: number): Promise<void> {
    await this.set(false);
    process.kill(pid, 'SIGKILL');
    while (/\d/.test(readFileSync(join(this.folder, this.#freezer.tasks), 'utf8'))) await delay(1);
    rmdirSync(this.folder);
  }
}

const now = (): number => Number(process.hrtime.bigint());

function named(t: ExecutionContext, threads: readonly Thread[], name: string): Thread {
  const found = threads.find(({ comm }) => comm === name);
  if (found === undefined) throw new Error(`no ${name}`);
  t.is(budgetError(found), 0);
  return found;
}

for (const freezer of freezers) {
  test.serial(`frozen by control groups of the ${freezer.kind} kind`, async (t) => {
    if (freezer.parent === undefined) return t.log('there are none here');
    const pid = await programs.start(programs.compile('gcc', 'c', source, '-O1', '-pthread'));
    const group = new Group(freezer, freezer.parent, pid);
    const session = await CaptureSession.open({ pid });
    const readWindow = async () => {
      session.stop();
      await session.wait();
      return (await session.read()).threads;
    };
    try {
      // In the window.
      session.start();
      await delay(50);
      const begins = now();
      await group.set(true);
      const isFrozen = now();
      await delay(150);
      const ends = now();
      await group.set(false);
      const isThawed = now();
      await delay(50);
      const within = await readWindow();
      for (const name of freezer.wakesSleepers ? ['spinner', 'sleeper'] : ['spinner']) {
        const { budget, faults } = named(t, within, name);
        const said = `${name} ${budget.frozenNs} ${ends - isFrozen} ${isThawed - begins}`;
        t.true(budget.frozenNs >= ends - isFrozen && budget.frozenNs <= isThawed - begins, said);
        t.true(faults.blockedNs < 20_000_000, `${name} ${faults.blockedNs}`);
        t.is(budget.stoppedNs, 0);
      }
      // Over its beginning: its first event is that it goes on.
      await group.set(true);
      session.start();
      await delay(100);
      const goesOn = now();
      await group.set(false);
      await delay(50);
      const over = named(t, await readWindow(), 'spinner');
      t.true(over.budget.frozenNs > 90_000_000, `${JSON.stringify(over.budget)} ${goesOn}`);
      t.true(over.budget.blockedNs < 20_000_000, `${over.budget.blockedNs}`);
      // All along: it has no event.
      await group.set(true);
      session.start();
      await delay(50);
      const all = await readWindow();
      for (const name of freezer.wakesSleepers ? ['spinner', 'sleeper'] : ['spinner']) {
        const { budget, syscalls } = named(t, all, name);
        t.is(budget.frozenNs, budget.wallNs, name);
        t.deepEqual(syscalls, [], name);
      }
    } finally {
      await session.close();
      await group.remove(pid);
    }
  });
}
