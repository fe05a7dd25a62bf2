/** Calls that a filter handles before they begin: refused ones are counted, and a wait for a supervisor is the call’s. */
import test from 'ava';
import type { Syscall, Thread } from '../../src/report/types.js';
import { sampleOfRun, samples } from './cli.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

const filter = `
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static int install(int number, unsigned action, unsigned flags) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, action), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {4, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
`;

const refused = `${filter}
int main(int argc, char **argv) {
  int count = atoi(argv[2]);
  install(SYS_getppid, strcmp(argv[1], "trace") ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_TRACE, 0);
  for (int n = 0; n < count; n++) { syscall(SYS_getppid); syscall(SYS_getuid); }
}`;

/** Forks before it is filtered, so that its child's first event is the end of a call that it never began. */
const children = `${filter}
int main(int argc, char **argv) {
  install(SYS_getppid, SECCOMP_RET_ERRNO | EACCES, 0);
  for (int n = 0; n < 20; n++) {
    pid_t child = fork();
    if (child == 0) { syscall(SYS_getppid); syscall(SYS_getppid); _exit(0); }
    waitpid(child, 0, 0);
  }
}`;

/** A worker without the right to make folders asks its supervisor, who takes some time: refuses, or lets it go on. */
const supervised = `${filter}
int main(int argc, char **argv) {
  int count = atoi(argv[2]), goes_on = !strcmp(argv[1], "goes-on");
  int fd = install(SYS_rmdir, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (fd < 0) { perror("seccomp"); return 1; }
  pid_t worker = fork();
  if (worker == 0) {
    long begun = now();
    for (int n = 0; n < count; n++) syscall(SYS_rmdir, "/nowhere/to/be/found");
    fprintf(stderr, "{\\"pid\\": %d, \\"ns\\": %ld}\\n", getpid(), now() - begun);
    _exit(0);
  }
  for (int n = 0; n < count; n++) {
    struct seccomp_notif asked;
    struct seccomp_notif_resp answer;
    memset(&asked, 0, sizeof asked);
    memset(&answer, 0, sizeof answer);
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked)) return 1;
    struct timespec pause = {0, 5000000};
    nanosleep(&pause, 0);
    answer.id = asked.id;
    if (goes_on) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else answer.error = -EPERM;
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer)) return 1;
  }
  waitpid(worker, 0, 0);
}`;

/** Computes, and once in a while makes a call that is refused. */
const spinning = `${filter}
int main(void) {
  install(SYS_getppid, SECCOMP_RET_ERRNO | EPERM, 0);
  for (;;) {
    for (long until = now() + 20000000; now() < until;) for (volatile int n = 0; n < 100000; n++) ;
    syscall(SYS_getppid);
  }
}`;

async function capturedRun(
  program: string,
  ...args: string[]
): Promise<{ threads: Thread[]; truth: { pid: number; ns: number } }> {
  const { sample, truth } = await sampleOfRun<{ pid: number; ns: number }>(['--follow'], program, ...args);
  return { threads: sample.threads, truth };
}

function callsOf(threads: readonly Thread[], name: string): Syscall[] {
  return threads.flatMap(({ syscalls }) => syscalls.filter((call) => call.name === name));
}

for (const [how, errno] of [
  ['errno', 'EPERM'],
  ['trace', 'ENOSYS'],
] as const) {
  test.serial(`a call refused by ${how} is counted with its error, and is never under way`, async (t) => {
    const { threads } = await capturedRun(programs.compile('gcc', 'c', refused), how, '5000');
    const [getppid, ...others] = callsOf(threads, 'getppid');
    t.like(getppid, { refused: 5000, refusedErrno: errno, count: 0, totalNs: 0, inFlightNs: 0 });
    t.is(others.length, 0);
    t.is(callsOf(threads, 'getuid')[0]?.count, 5000);
    t.is(callsOf(threads, 'getuid')[0]?.refused, 0);
  });
}

test.serial('the end of the call that made a process is none that was refused', async (t) => {
  const { threads } = await capturedRun(programs.compile('gcc', 'c', children));
  const refusals = threads.flatMap(({ syscalls }) => syscalls.filter((call) => call.refused > 0));
  t.deepEqual(
    refusals.map(({ name, refused: count, refusedErrno }) => ({ name, count, refusedErrno })),
    Array.from({ length: 20 }, () => ({ name: 'getppid', count: 2, refusedErrno: 'EACCES' })),
  );
});

for (const how of ['refuses', 'goes-on'] as const) {
  test.serial(`a wait for a supervisor who ${how} is the call’s`, async (t) => {
    const { threads, truth } = await capturedRun(programs.compile('gcc', 'c', supervised), how, '40');
    const worker = threads.find(({ pid }) => pid === truth.pid);
    const call = worker?.syscalls.find(({ name }) => name === 'rmdir');
    if (worker === undefined || call === undefined) return t.fail(JSON.stringify(truth));
    // The supervisor may be so quick that the worker did not come to sleep: then it was refused without a wait.
    t.is(call.count + call.refused, 40);
    t.true(call.count > 30, `${call.count}`);
    t.true(
      call.blockedNs + call.readyNs > 0.8 * truth.ns && call.totalNs <= truth.ns,
      `${call.blockedNs} ${call.totalNs} ${truth.ns}`,
    );
    t.true(worker.faults.blockedNs < 0.1 * truth.ns, `${worker.faults.blockedNs}`);
  });
}

test.serial('what a thread did before a refused call is no call', async (t) => {
  const pid = await programs.start(programs.compile('gcc', 'c', spinning));
  const taken = await samples('-p', `${pid}`, '--sample-count', '6', '--sample-time', '0.1');
  const threads = taken.flatMap((sample) => sample.threads);
  const calls = callsOf(threads, 'getppid');
  t.true(calls.some((call) => call.refused > 0));
  for (const call of calls)
    t.like(call, { inFlightNs: 0, totalNs: 0, readyNs: 0, blockedNs: 0, stoppedNs: 0 });
  for (const { budget } of threads) t.true(budget.kernelNs < 0.1 * budget.wallNs, JSON.stringify(budget));
});
