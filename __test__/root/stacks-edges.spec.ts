/** Stacks through what is no plain function: the vDSO, the linker at work, signal handlers, stacks that are aligned anew. */
import test from 'ava';
import { assertChain, assertLikeGdb, gdbFrames, names } from './gdb.js';
import { Programs } from './programs.js';
import { record } from './recorded.js';

const programs = new Programs();
test.after.always(() => programs.end());

const plain = ['-O2', '-g', '-fomit-frame-pointer'];
const wait = `
#include <time.h>
#define NEVER_INLINED __attribute__((noinline))
volatile int sink;
NEVER_INLINED int wait_here(int x) { struct timespec t = { 0, 3000000 }; nanosleep(&t, 0); return x + sink; }
`;

test.serial('a call that the vDSO makes', async (t) => {
  const source = `${wait}
NEVER_INLINED int asks(int x) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return x + t.tv_nsec; }
int main() { for (;;) { sink += wait_here(1); sink += asks(2); } }`;
  const pid = await programs.start(programs.compile('gcc', 'c', source, ...plain));
  const { calls } = await record(pid, 'clock_gettime');
  assertLikeGdb(t, calls, gdbFrames(programs.folder, pid, 'clock_gettime'));
  for (const { userStack } of calls) {
    t.is(userStack[0]?.module, '[vdso]');
    assertChain(t, userStack, ['clock_gettime', 'clock_gettime', 'asks', 'main']);
  }
});

test.serial('a function that is bound as it is called for the first time, through the PLT', async (t) => {
  const library = programs.compile(
    'gcc',
    'c',
    `${wait}
static int chosen(int x) { return x + 1; }
static void *choose(void) { sink += wait_here(1); return chosen; }
int bound_late(int) __attribute__((ifunc("choose")));
NEVER_INLINED int work(int x) { return bound_late(x) + sink; }`,
    ...plain,
    '-fPIC',
    '-shared',
    '-Wl,-z,lazy',
  );
  const source = `
#include <dlfcn.h>
volatile int sink;
__attribute__((noinline)) int outer(int (*work)(int)) { return work(1) + sink; }
int main() {
  for (;;) {
    void *library = dlopen("${library}", RTLD_LAZY);
    sink += outer((int (*)(int))dlsym(library, "work"));
    dlclose(library);
  }
}`;
  const pid = await programs.start(programs.compile('gcc', 'c', source, ...plain));
  const recorded = await record(pid, 'clock_nanosleep');
  // The program's mappings may have been looked at just as the library was not there: then a stack ends at it, and says so.
  const calls = recorded.calls.filter(({ userStackEnd }) => userStackEnd === 'complete');
  t.true(calls.length >= 5);
  assertLikeGdb(t, calls, gdbFrames(programs.folder, pid, 'clock_nanosleep'));
  for (const { userStack } of calls) {
    const functions = names(userStack).map((name) => name ?? '');
    const [fixup, resolve] = ['_dl_fixup', '_dl_runtime_resolve'].map((part) =>
      functions.findIndex((name) => name.startsWith(part)),
    );
    t.true(fixup !== undefined && fixup > functions.indexOf('choose'));
    t.is(resolve, (fixup ?? 0) + 1);
    assertChain(t, userStack, ['wait_here', 'choose']);
    assertChain(t, userStack, ['work', 'outer', 'main']);
  }
});

const handler = `${wait}
#include <signal.h>
#include <stdlib.h>
void handler(int signal) { sink += wait_here(signal); }
NEVER_INLINED int interrupted(int x) { raise(SIGUSR1); return x + sink; }
int main(int n, char **t) {
  stack_t other = { .ss_sp = malloc(65536), .ss_size = 65536 };
  struct sigaction action = { .sa_handler = handler };
  if (n > 1) { sigaltstack(&other, 0); action.sa_flags = SA_ONSTACK; }
  sigaction(SIGUSR1, &action, 0);
  for (;;) sink += interrupted(n);
}`;

test.serial('a signal handler, and what it interrupted', async (t) => {
  const pid = await programs.start(programs.compile('gcc', 'c', handler, ...plain));
  const { calls, blocked } = await record(pid, 'clock_nanosleep');
  const gdb = gdbFrames(programs.folder, pid, 'clock_nanosleep');
  const isOwn = ({ userStack }: { userStack: Parameters<typeof names>[0] }) =>
    names(userStack).includes('wait_here');
  assertLikeGdb(t, calls, gdb);
  assertLikeGdb(t, blocked.filter(isOwn), gdb);
  assertChain(t, calls[0]?.userStack ?? [], ['wait_here', 'handler', 'restore_rt']);
  assertChain(t, calls[0]?.userStack ?? [], ['raise', 'interrupted', 'main']);
});

test.serial(
  'on a stack of its own, a signal handler is known, and the stack is not called complete',
  async (t) => {
    const pid = await programs.start(programs.compile('gcc', 'c', handler, ...plain), 'other');
    const { calls } = await record(pid, 'clock_nanosleep');
    for (const { userStack, userStackEnd } of calls) {
      t.is(userStackEnd, 'cut');
      assertChain(t, userStack, ['wait_here', 'handler', 'restore_rt']);
    }
  },
);

test.serial('a stack that a function aligns anew', async (t) => {
  const source = `${wait}
#include <alloca.h>
#include <string.h>
NEVER_INLINED int aligned(int n) {
  _Alignas(64) char room[128];
  char *more = alloca(n * 16);
  memset(room, n, sizeof room); memset(more, n, n);
  return wait_here(room[n]) + more[0] + room[n];
}
NEVER_INLINED int before(int n) { return aligned(n + 3) + 1; }
int main(int n, char **t) { for (;;) sink += before(n); }`;
  const pid = await programs.start(programs.compile('gcc', 'c', source, ...plain));
  const { calls } = await record(pid, 'clock_nanosleep');
  assertLikeGdb(t, calls, gdbFrames(programs.folder, pid, 'clock_nanosleep'));
  assertChain(t, calls[0]?.userStack ?? [], ['wait_here', 'aligned', 'before', 'main']);
});

test.serial('a function without unwind tables that never returns, in the middle of a stack', async (t) => {
  const source = `
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static struct timespec nap_time = { 0, 3000000 };
__attribute__((noinline)) void nap(void) { syscall(SYS_clock_nanosleep, 0, 0, &nap_time, 0); __asm__ volatile(""); }
__attribute__((noinline, noreturn)) void serve_for_ever(void) { for (;;) nap(); }
__attribute__((noinline)) void begin(int n) { if (n) serve_for_ever(); __asm__ volatile(""); }
__attribute__((noinline)) int set_up(int n) { begin(n); __asm__ volatile(""); return n; }
int main(int count, char **words) { int n = set_up(count); __asm__ volatile(""); return n; }`;
  const flags = ['-static', '-O2', '-fomit-frame-pointer', '-fno-asynchronous-unwind-tables'];
  const pid = await programs.start(programs.compile('musl-gcc', 'c', source, ...flags));
  const { calls } = await record(pid, 'clock_nanosleep');
  t.true(calls.length > 0);
  for (const { userStack, userStackEnd } of calls) {
    const functions = names(userStack);
    t.true(functions.includes('nap'), `${functions}`);
    // Its callers are there, or the stack is not whole.
    const isWhole = ['begin', 'set_up', 'main'].every((name) => functions.includes(name));
    t.is(userStackEnd === 'complete', isWhole, `${userStackEnd}: ${functions}`);
  }
});

test.serial(
  'generated code that keeps another value than the frame’s where the frame pointer is',
  async (t) => {
    const source = `
#include <string.h>
#include <sys/mman.h>
#include <time.h>
/* middle: push %rbp; xor %ebp,%ebp; call leaf; pop %rbp; ret
   leaf: push %rbp; mov %rsp,%rbp; mov $230,%eax; xor %edi,%edi; xor %esi,%esi; xor %r10d,%r10d; syscall; pop %rbp; ret */
static const unsigned char code[] = {
  0x55, 0x31, 0xed, 0xe8, 2, 0, 0, 0, 0x5d, 0xc3,
  0x55, 0x48, 0x89, 0xe5, 0xb8, 230, 0, 0, 0, 0x31, 0xff, 0x31, 0xf6, 0x45, 0x31, 0xd2, 0x0f, 0x05, 0x5d, 0xc3};
static struct timespec nap_time = { 0, 3000000 };
int main(void) {
  void *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(made, code, sizeof code);
  for (;;) ((void (*)(long, long, void *))made)(0, 0, &nap_time);
}`;
    const pid = await programs.start(programs.compile('gcc', 'c', source, ...plain));
    const { calls } = await record(pid, 'clock_nanosleep');
    t.true(calls.length > 0);
    for (const { userStack, userStackEnd } of calls) {
      const functions = names(userStack);
      t.is(userStackEnd === 'complete', functions.includes('main'), `${userStackEnd}: ${functions}`);
    }
  },
);

test.serial('generated code that keeps no frame pointer', async (t) => {
  const source = `
#include <string.h>
#include <sys/mman.h>
#include <time.h>
static struct timespec nap_time = { 0, 3000000 };
NEVER_INLINED static void inner(void) { nanosleep(&nap_time, 0); __asm__ volatile(""); }
/* sub $24,%rsp; call *%rdi; add $24,%rsp; ret */
static const unsigned char code[] = { 0x48, 0x83, 0xec, 24, 0xff, 0xd7, 0x48, 0x83, 0xc4, 24, 0xc3 };
NEVER_INLINED static void outer(void (*made)(void (*)(void))) { made(inner); __asm__ volatile(""); }
int main(void) {
  void *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(made, code, sizeof code);
  for (;;) outer(made);
}`.replaceAll('NEVER_INLINED', '__attribute__((noinline))');
  const pid = await programs.start(programs.compile('gcc', 'c', source, ...plain));
  const { calls } = await record(pid, 'clock_nanosleep');
  t.true(calls.length > 0);
  for (const { userStack, userStackEnd } of calls) {
    const functions = names(userStack);
    const from = functions.indexOf('inner');
    t.deepEqual(functions.slice(from, from + 4), ['inner', null, 'outer', 'main'], `${functions}`);
    t.is(userStackEnd, 'complete');
  }
});
