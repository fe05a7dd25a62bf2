/**
 * The verdict on real programs that do one thing: what each rule is there for. They are before all other programs at the CPU: what
 * else a machine does is none of their verdict.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Finding, Sample } from '../../src/report/types.js';
import { captured, truthOf } from './captured.js';
import { samples } from './cli.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

const realTime = { isRealTime: true };

type Verdicted = Pick<Sample, 'verdict'>;

/** The finding by this rule, of one thread if it is named. */
function finding(t: ExecutionContext, sample: Verdicted, rule: Finding['rule'], tid?: number): Finding {
  const found = sample.verdict?.findings.find(
    (candidate) => candidate.rule === rule && (tid === undefined || candidate.tid === tid),
  );
  if (found === undefined) throw new Error(`no ${rule} in ${JSON.stringify(sample.verdict, null, 1)}`);
  t.not(found.text, '');
  return found;
}

/** Of a command that is captured to its end. */
async function sampleOf(...command: string[]): Promise<Sample> {
  const [sample] = await samples('--', 'chrt', '--rr', '1', ...command);
  if (sample === undefined) throw new Error('no sample');
  return sample;
}

test.serial('starved of CPU: by whom', async (t) => {
  const { sample, truth } = await captured(['contend', '400'], realTime);
  const rivals = truth.threads.filter(({ name }) => name !== 'main');
  t.is(rivals.length, 2);
  for (const { tid } of rivals) {
    const { text } = finding(t, sample, 'waits-for-cpu', tid);
    const others = rivals.filter((rival) => rival.tid !== tid);
    for (const other of others) t.true(text.includes(String(other.tid)), text);
  }
});

test.serial('busy in user code: not for the kernel to answer', async (t) => {
  const { sample, truth } = await captured(['spin', '300'], realTime);
  finding(t, sample, 'user-code', truthOf(truth, 'spinner').tid);
});

test.serial('one long call on a CPU', async (t) => {
  const { sample, truth } = await captured(['spinkernel', '300'], realTime);
  const { text } = finding(t, sample, 'kernel-code', truthOf(truth, 'burner').tid);
  t.regex(text, /readv/);
});

test.serial('stopped by a signal', async (t) => {
  const { sample, truth } = await captured(['stop', '100'], realTime);
  for (const name of ['spinner', 'blocked']) finding(t, sample, 'stopped', truthOf(truth, name).tid);
});

test.serial('blocked for another thread: by futex, and who woke it', async (t) => {
  const { sample, truth } = await captured(['handoff', '20000'], realTime);
  const pair = truth.threads.filter(({ name }) => name !== 'main');
  const found = pair.map(({ tid }) => finding(t, sample, 'lock', tid).text);
  t.true(
    found.every((text) => text.includes('futex')),
    found.join('\n'),
  );
});

test.serial('too many system calls', async (t) => {
  const sample = await sampleOf('dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=500000', 'status=none');
  finding(t, sample, 'many-calls');
});

test.serial('a slow call: which, how long, and what it waited for', async (t) => {
  // A thread that does nothing but wait is idle.
  const busy = 'for ((i = 0; i < 100000; i++)); do :; done';
  const server = createServer((socket) => setTimeout(() => socket.end('late\n'), 300));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const sample = await sampleOf(
      'bash',
      '-c',
      `exec 3<>/dev/tcp/127.0.0.1/${port}; read -r -u 3 answer; ${busy}`,
    );
    const { text, next } = finding(t, sample, 'slow-call');
    t.regex(text, /read/);
    t.regex(next ?? '', /--syscall read/);
  } finally {
    server.close();
  }
});

test.serial('interrupted: by packets that arrive in its own calls', async (t) => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  try {
    const send = `dd if=/dev/zero bs=100 count=200000 status=none >/dev/udp/127.0.0.1/${socket.address().port}`;
    const sample = await sampleOf('bash', '-c', `exec ${send}`);
    const { text } = finding(t, sample, 'interrupts');
    t.regex(text, /net_rx/);
  } finally {
    socket.close();
  }
});

test.serial('a loop that is long outside its poll', async (t) => {
  const busy =
    'setTimeout(() => { const end = Date.now() + 600; while (Date.now() < end); }, 100); setTimeout(() => {}, 900);';
  const sample = await sampleOf(process.execPath, '-e', busy);
  const { text } = finding(t, sample, 'long-poll');
  t.regex(text, /outside its poll/);
});

test.serial('idle: nobody is to blame', async (t) => {
  const sample = await sampleOf('sleep', '1');
  // Until it is before all others it may have had to wait; and a hypervisor takes what it likes.
  const others: readonly string[] = ['waits-for-cpu', 'steal'];
  t.deepEqual(
    sample.verdict?.findings.filter(({ rule }) => !others.includes(rule)),
    [],
  );
  t.true(sample.verdict?.enoughEvidence);
});

/** Threads, by their names, that wait for 600 ms each: for the other end of a FIFO, for locks, for room in queues. */
const waiting = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static int queue;
static mqd_t posix_queue;
static struct { long type; char text[4096]; } message = {1};
static struct flock whole = {.l_type = F_WRLCK};
static char name[32];
static void *waits(void *kind) {
  prctl(PR_SET_NAME, kind);
  if (!strcmp(kind, "w-fifo")) close(open("fifo", O_RDONLY));
  else if (!strcmp(kind, "w-fcntl")) fcntl(open("lock", O_RDWR), F_SETLKW, &whole);
  else if (!strcmp(kind, "w-msgsnd")) msgsnd(queue, &message, sizeof message.text, 0);
  else if (!strcmp(kind, "w-mq")) mq_send(posix_queue, "12345678", 8, 0);
  else if (!vfork()) { usleep(600000); _exit(0); }
  return 0;
}
int main(int argc, char **argv) {
  if (chdir(argv[1])) return 1;
  mkfifo("fifo", 0600);
  close(open("lock", O_CREAT | O_RDWR, 0600));
  queue = msgget(IPC_PRIVATE, 0600);
  while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0) ;
  snprintf(name, sizeof name, "/kdelay-%d", getpid());
  struct mq_attr size = {0, 1, 8, 0};
  posix_queue = mq_open(name, O_CREAT | O_RDWR, 0600, &size);
  mq_send(posix_queue, "12345678", 8, 0);
  int ready[2];
  if (pipe(ready)) return 1;
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, "other-end");
    fcntl(open("lock", O_RDWR), F_SETLK, &whole);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    usleep(600000);
    int end = open("fifo", O_WRONLY);
    msgrcv(queue, &message, sizeof message.text, 0, 0);
    mq_receive(posix_queue, message.text, 8, 0);
    _exit(end < 0);
  }
  char byte;
  if (read(ready[0], &byte, 1) != 1) return 1;
  char *kinds[] = {"w-fifo", "w-fcntl", "w-msgsnd", "w-mq", "w-vfork"};
  pthread_t threads[5];
  for (int n = 0; n < 5; n++) pthread_create(&threads[n], 0, waits, kinds[n]);
  for (int n = 0; n < 5; n++) pthread_join(threads[n], 0);
  int status;
  waitpid(child, &status, 0);
  msgctl(queue, IPC_RMID, 0);
  mq_unlink(name);
  return status;
}`;

test.serial('what threads wait for in other calls than read and write', async (t) => {
  const program = programs.compile('gcc', 'c', waiting, '-O1', '-pthread', '-lrt');
  const sample = await sampleOf(program, programs.folder);
  const tidOf = (comm: string) => sample.threads.find((thread) => thread.comm === comm)?.tid;
  for (const [comm, call, what] of [
    ['w-fifo', 'openat', 'for a disk or a file system, or, of a FIFO, its other end'],
    ['w-msgsnd', 'msgsnd', 'an other end that does not take it'],
    ['w-mq', 'mq_timedsend', 'an other end that does not take it'],
    ['w-vfork', 'vfork', 'for its child to execute a program or to end'],
  ] as const) {
    const { text } = finding(t, sample, 'slow-call', tidOf(comm));
    t.true(text.includes(` ${call} for `) && text.includes(what), text);
    if (comm !== 'w-vfork') t.regex(text, /; mostly woken by other-end \(tid \d+\)/);
  }
  // It has nothing else to do, as an idle worker: the time is a lock's, and no disk's.
  t.is(
    sample.verdict?.findings.some(({ rule, comm }) => rule === 'slow-call' && comm === 'w-fcntl'),
    false,
  );
});

/** Each works for 4 ms in 20 ms, and waits for the time by other means. */
const periodic = `
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
static long used(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
static void work(void) { for (long until = used() + 4000000; used() < until;) ; }
static void *by_timerfd(void *unused) {
  prctl(PR_SET_NAME, "p-timerfd");
  int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec every = {{0, 20000000}, {0, 20000000}};
  timerfd_settime(timer, 0, &every, 0);
  for (uint64_t times;; work()) if (read(timer, &times, 8) != 8) return unused;
}
static void *by_condition(void *unused) {
  prctl(PR_SET_NAME, "p-condition");
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&mutex);
  for (;; work()) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 16000000;
    if (until.tv_nsec >= 1000000000) { until.tv_sec++; until.tv_nsec -= 1000000000; }
    pthread_cond_timedwait(&condition, &mutex, &until);
  }
}
static void *by_receiving(void *unused) {
  prctl(PR_SET_NAME, "p-receiving");
  int ends[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
  struct timeval time = {0, 16000};
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  for (char byte;; work()) if (recv(ends[0], &byte, 1, 0) > 0) return unused;
}
int main(void) {
  pthread_t thread;
  pthread_create(&thread, 0, by_timerfd, 0);
  pthread_create(&thread, 0, by_condition, 0);
  pthread_create(&thread, 0, by_receiving, 0);
  usleep(1500000);
  _exit(0);
}`;

test.serial('a wait that a timer ends is a sleep', async (t) => {
  const sample = await sampleOf(programs.compile('gcc', 'c', periodic, '-O1', '-pthread'));
  const names = sample.threads.map(({ comm }) => comm);
  for (const name of ['p-timerfd', 'p-condition', 'p-receiving']) t.true(names.includes(name), name);
  t.deepEqual(
    sample.verdict?.findings.filter(({ rule }) => rule === 'lock' || rule === 'slow-call'),
    [],
  );
});
