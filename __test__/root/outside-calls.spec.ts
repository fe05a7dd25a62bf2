/** On a CPU outside of calls: user code is told from the kernel, and threads that never leave it are not in a call of another one's. */
import test, { type ExecutionContext } from 'ava';
import type { Budget, Thread } from '../../src/report/types.js';
import { budgetError } from './captured.js';
import { sampleOfRun } from './cli.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

const clock = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
/* For as long as there are some hundred ticks of its own, however busy the machine is. */
static double cpu(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec / 1e9; }
`;

const faulting = `${clock}
#define BYTES (64UL << 20)
int main(int argc, char **argv) {
  char *memory = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(memory, BYTES, MADV_NOHUGEPAGE);
  while (cpu() < 1.5) {
    madvise(memory, BYTES, MADV_DONTNEED);
    for (unsigned long at = 0; at < BYTES; at += 4096) memory[at] = 1;
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  fprintf(stderr, "{\\"user\\": %ld, \\"system\\": %ld, \\"faults\\": %ld}\\n", used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec,
          used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec, used.ru_minflt);
}`;

const computing = `${clock}
int main(void) {
  double until = now() + 30;
  unsigned long sum = 0;
  while (cpu() < 1) for (int n = 0; n < 10000000; n++) { sum += n; __asm__ volatile("" : "+r"(sum)); }
  return now() > until;
}`;

/** What a program is trapped for, and goes on: each is an exception. */
const trapping = `${clock}
#include <signal.h>
static void go_on(int signal) { (void)signal; }
int main(void) {
  signal(SIGTRAP, go_on);
  while (cpu() < 1) for (int n = 0; n < 1000; n++) __asm__ volatile("int3");
}`;

/** Without a library: reads that the kernel's own threads do, of its process, or that one of them polls for. */
const ring = `${clock}
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
static char room[4][8 << 20];
int main(int argc, char **argv) {
  int polls = !strcmp(argv[1], "polls");
  struct io_uring_params p;
  memset(&p, 0, sizeof p);
  if (polls) { p.flags = IORING_SETUP_SQPOLL; p.sq_thread_idle = 10000; }
  int fd = syscall(SYS_io_uring_setup, 8, &p);
  if (fd < 0) { perror("io_uring_setup"); return 1; }
  char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
  char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_CQ_RING);
  struct io_uring_sqe *sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
  unsigned *tail = (unsigned *)(sq + p.sq_off.tail), *array = (unsigned *)(sq + p.sq_off.array);
  unsigned mask = *(unsigned *)(sq + p.sq_off.ring_mask), *head = (unsigned *)(cq + p.cq_off.head), *end = (unsigned *)(cq + p.cq_off.tail);
  int zero = open("/dev/zero", O_RDONLY), done = 0;
  memset(room, 1, sizeof room);
  double until = now() + 1.5;
  while (now() < until) {
    for (int n = 0; n < 4; n++) {
      unsigned at = (*tail + n) & mask;
      memset(&sqes[at], 0, sizeof *sqes);
      sqes[at].opcode = IORING_OP_READ;
      sqes[at].fd = zero;
      sqes[at].addr = (unsigned long)room[n];
      sqes[at].len = polls ? 4096 : sizeof room[n];
      sqes[at].flags = polls ? 0 : IOSQE_ASYNC;
      array[at] = at;
    }
    __atomic_store_n(tail, *tail + 4, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!polls) syscall(SYS_io_uring_enter, fd, 4, 4, IORING_ENTER_GETEVENTS, 0, 0);
    else if (__atomic_load_n((unsigned *)(sq + p.sq_off.flags), __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
      syscall(SYS_io_uring_enter, fd, 0, 0, IORING_ENTER_SQ_WAKEUP, 0, 0);
    for (int n = 0; n < 4; done++) {
      if (__atomic_load_n(end, __ATOMIC_ACQUIRE) == *head) { usleep(1000); continue; }
      __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
      n++;
    }
  }
  return done == 0;
}`;

interface Ran {
  threads: Thread[];
  findings: string[];
  truth: { user: number; system: number; faults: number };
}

/** From its beginning to its end, each thread once. */
async function capturedRun(t: ExecutionContext, ...words: string[]): Promise<Ran> {
  const { sample, truth } = await sampleOfRun<Ran['truth']>([], ...words);
  for (const thread of sample.threads) t.is(budgetError(thread), 0, thread.comm);
  return {
    threads: sample.threads,
    findings: sample.verdict?.findings.map(({ rule, text }) => `${rule}: ${text}`) ?? [],
    truth,
  };
}

/** Before all other programs at the CPU: how much of its time it has one is not what this is about. */
const first = ['chrt', '--rr', '1'];

function outside({ budget }: { budget: Budget }): { user: number; kernel: number; all: number } {
  const kernel = budget.kernelOutsideCallsNs ?? Number.NaN;
  return { user: budget.userNs, kernel, all: budget.userNs + kernel };
}

test.serial('time in page faults is the kernel’s', async (t) => {
  const program = programs.compile('gcc', 'c', faulting, '-O1');
  const { threads, findings, truth } = await capturedRun(t, ...first, program);
  const [thread] = threads;
  if (thread === undefined) return t.fail();
  const { user, kernel, all } = outside(thread);
  // The kernel samples, too: each of its shares, and of ours, is some hundreds of ticks’.
  const userShare = truth.user / (truth.user + truth.system);
  const ranNs = all + thread.budget.kernelNs;
  t.true(Math.abs(user / ranNs - userShare) < 0.15, `${user} of ${ranNs}, and not ${userShare}`);
  t.true(kernel > 0.3 * ranNs, `${kernel} of ${ranNs}`);
  t.true((thread.faults.minor ?? 0) > 0.9 * truth.faults);
  t.false(
    findings.some((text) => text.includes('not for the kernel to answer')),
    findings.join('\n'),
  );
  t.regex(findings.find((text) => text.startsWith('exceptions: ')) ?? '', /page faults/);
});

test.serial('time in user code is not the kernel’s', async (t) => {
  const { threads, findings } = await capturedRun(
    t,
    ...first,
    programs.compile('gcc', 'c', computing, '-O1'),
  );
  const [thread] = threads;
  if (thread === undefined) return t.fail();
  const { kernel, all } = outside(thread);
  t.true(kernel < 0.1 * all, `${kernel} of ${all}`);
  t.true(
    findings.some((text) => text.startsWith('user-code: ') && text.includes('computed in user code')),
    findings.join('\n'),
  );
});

test.serial('time in exceptions other than page faults is the kernel’s', async (t) => {
  const { threads, findings } = await capturedRun(t, ...first, programs.compile('gcc', 'c', trapping, '-O1'));
  const [thread] = threads;
  if (thread === undefined) return t.fail();
  const { kernel, all } = outside(thread);
  t.true(kernel > 0.5 * all, `${kernel} of ${all}`);
  t.false(
    findings.some((text) => text.includes('not for the kernel to answer')),
    findings.join('\n'),
  );
});

for (const [how, name] of [
  ['works', /^iou-wrk-/],
  ['polls', /^iou-sqp-/],
] as const) {
  test.serial(
    `the kernel’s own thread in a process that ${how} is never in user code, nor in a call`,
    async (t) => {
      const { threads, findings } = await capturedRun(t, programs.compile('gcc', 'c', ring, '-O1'), how);
      const own = threads.filter(({ comm }) => name.test(comm));
      t.true(own.length > 0, threads.map(({ comm }) => comm).join(' '));
      for (const { comm, budget, syscalls, exited, kernelOnly } of own) {
        t.is(budget.userNs, 0, comm);
        // But for what it takes to exit.
        if (!exited) t.is(budget.kernelNs, 0, comm);
        t.true(kernelOnly, comm);
        t.deepEqual(
          syscalls.map((call) => call.name),
          [],
        );
      }
      const ranNs = own.reduce((sum, { budget }) => sum + (budget.kernelOutsideCallsNs ?? 0), 0);
      t.true(ranNs > 100_000_000, `${ranNs}`);
      t.false(
        findings.some((text) => /iou-.*(user code|page faults)/.test(text)),
        findings.join('\n'),
      );
    },
  );
}
