/** Stacks of programs from several compilers and C libraries, frame by frame next to gdb's of the same process. */
import test, { type ExecutionContext } from 'ava';
import { assertChain, assertLikeGdb, gdbFrames, likeGdb, names } from './gdb.js';
import { Programs } from './programs.js';
import { type Recorded, record } from './recorded.js';

const programs = new Programs();
test.after.always(() => programs.end());

/** A program that makes this call over and over, through this chain only: all of its stacks are gdb's. */
async function assertProgram(
  t: ExecutionContext,
  [command, ...args]: [string, ...string[]],
  call: string,
  chain: readonly string[],
): Promise<Recorded> {
  const pid = await programs.start(command, ...args);
  const recorded = await record(pid, call);
  const gdb = gdbFrames(programs.folder, pid, call);
  const isChain = ({ userStack }: { userStack: Parameters<typeof names>[0] }) =>
    names(userStack).some((name) => name?.includes(chain[0] as string));
  const calls = recorded.calls.filter(isChain);
  assertLikeGdb(t, calls, gdb);
  // Page faults, and what the run-time library waits for, may block the thread, too.
  assertLikeGdb(t, recorded.blocked.filter(isChain), gdb);
  assertChain(t, calls[0]?.userStack ?? [], chain);
  return { calls, blocked: recorded.blocked };
}

const c = `
#include <time.h>
#define NEVER_INLINED __attribute__((noinline))
volatile int sink;
NEVER_INLINED int inner(int x) { struct timespec t = { 0, 3000000 }; nanosleep(&t, 0); return x + 1; }
static inline __attribute__((always_inline)) int inlined(int x) { return inner(x) * 3; }
NEVER_INLINED int middle(int x) { volatile char room[300]; room[x & 15] = 1; return inlined(x) + room[x & 15]; }
NEVER_INLINED int outer(int x) { return middle(x) * 2; }
`;
const chain = ['inner', 'inlined', 'middle', 'outer'];
const plain = ['-O2', '-g', '-fomit-frame-pointer'];

const go = `
package main

import "syscall"

var sink int

//go:noinline
func inner(x int) int {
	t := syscall.Timeval{Usec: 3000}
	n, _ := syscall.Select(0, nil, nil, nil, &t)
	return x + n
}

func inlined(x int) int { return inner(x)*3 + sink }

//go:noinline
func middle(x int) int { return inlined(x) + 1 }

//go:noinline
func outer(x int) int { return middle(x) + 5 }

func work(done chan bool) {
	for i := 0; ; i++ {
		sink += outer(i)
	}
}

func main() {
	done := make(chan bool)
	go work(done)
	<-done
}
`;
const goChain = ['main.inner', 'main.inlined', 'main.middle', 'main.outer', 'main.work'];

test.serial('a goroutine of Go, to where goroutines begin', async (t) => {
  const program = programs.compile('go', 'go', go, 'build');
  const { calls } = await assertProgram(t, [program], 'select', goChain);
  for (const { userStack } of calls) {
    t.is(userStack.at(-1)?.symbol, 'runtime.goexit');
    const inlined = userStack.find(({ symbol }) => symbol === 'main.inlined');
    t.like(inlined, { inlined: true, line: 15 });
    t.regex(inlined?.file ?? '', /program\.go$/);
  }
});

test.serial('stripped Go has the same frames, by address', async (t) => {
  const program = programs.compile('go', 'go', go, 'build');
  const stripped = programs.compile('go', 'go', go, 'build', '-ldflags=-s -w');
  const pid = await programs.start(program);
  const whole = gdbFrames(programs.folder, pid, 'select');
  // Its machine code is the same, at the same addresses, and inlined functions are known from debug information only.
  const addresses = [...new Set(whole.map(({ address }) => address))];
  const { calls } = await record(await programs.start(stripped), 'select');
  for (const { userStack, userStackEnd } of calls) {
    t.deepEqual(
      likeGdb(userStack).map(({ address }) => address),
      addresses,
    );
    t.is(userStackEnd, 'complete');
    t.true(userStack.every(({ symbol, module }) => symbol === null && module === stripped));
  }
});

test.serial('C that Go has called, on a stack of its own, is not called complete', async (t) => {
  const source = `
package main

/*
#include <time.h>
__attribute__((noinline)) static int in_c(int x) { struct timespec t = { 0, 3000000 }; nanosleep(&t, 0); return x + 1; }
*/
import "C"

var sink int

func main() {
	for {
		sink += int(C.in_c(C.int(sink)))
	}
}
`;
  for (const flags of [[], ['-ldflags=-s -w']]) {
    const pid = await programs.start(programs.compile('go', 'go', source, 'build', ...flags));
    const { calls } = await record(pid, 'clock_nanosleep');
    for (const { userStack, userStackEnd } of calls) {
      t.not(userStackEnd, 'complete');
      const functions = names(userStack);
      t.true(functions.some((name) => /nanosleep$/.test(name ?? '')));
      // Beyond that may be what was left on the stack that Go calls C on.
      if (flags.length === 0) t.true(functions.includes('runtime.asmcgocall'), `${functions}`);
    }
  }
});

test.serial('musl, linked statically: gdb stops in its first functions', async (t) => {
  const source = `${c}int main() { for (int i = 0;; i++) sink += outer(i); }`;
  const program = programs.compile('musl-gcc', 'c', source, '-static', ...plain);
  const pid = await programs.start(program);
  const { calls, blocked } = await record(pid, 'nanosleep');
  const gdb = gdbFrames(programs.folder, pid, 'nanosleep').map(({ address }) => address);
  for (const { userStack, userStackEnd } of [...calls, ...blocked]) {
    t.is(userStackEnd, 'complete');
    assertChain(t, userStack, [...chain, 'main', 'libc_start_main_stage2', 'start']);
    const addresses = likeGdb(userStack).map(({ address }) => address);
    t.deepEqual(addresses.slice(0, gdb.length), gdb);
  }
});

test.serial('musl, linked dynamically, in a thread and in a signal handler', async (t) => {
  const source = `
#include <pthread.h>
#include <signal.h>
${c}
void handler(int signal) { sink += outer(signal); }
void *run(void *x) { for (int i = 0;; i++) sink += outer(i); return x; }
int main() {
  pthread_t thread;
  signal(SIGUSR1, handler);
  pthread_create(&thread, 0, run, 0);
  for (;;) raise(SIGUSR1);
}`;
  const pid = await programs.start(programs.compile('musl-gcc', 'c', source, ...plain));
  const { calls } = await record(pid, 'nanosleep');
  const [main, thread] = [true, false].map((isMain) => calls.filter(({ tid }) => (tid === pid) === isMain));
  t.true((main?.length ?? 0) > 0 && (thread?.length ?? 0) > 0);
  for (const { userStack, userStackEnd, tid } of calls) {
    t.is(userStackEnd, 'complete');
    assertChain(t, userStack, [...chain, tid === pid ? 'handler' : 'run']);
    const functions = names(userStack);
    t.true(functions.includes('nanosleep'));
    if (tid !== pid) continue;
    assertChain(t, userStack.slice(functions.indexOf('raise')), ['raise', 'main']);
    t.is(functions.at(-1), '_start');
  }
});

test.serial(
  'C++ in a destructor during unwinding, in a catch block, and through std::function',
  async (t) => {
    const source = `
#include <functional>
#include <stdexcept>
#include <time.h>
volatile int sink;
namespace app {
__attribute__((noinline)) int wait_here(int x) { timespec t = { 0, 3000000 }; clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0); return x + sink; }
struct Waits { __attribute__((noinline)) ~Waits() { if (WHERE == 0) sink += wait_here(1); } };
__attribute__((noinline)) int throws(int x) { Waits w; sink++; if (x) throw std::runtime_error("x"); return x; }
__attribute__((noinline)) int catches(int x) { try { return throws(x); } catch (std::exception &) { return WHERE == 1 ? wait_here(2) + 1 : sink; } }
template <class T> struct Tree { T x; __attribute__((noinline)) int depth() const { return catches(x) + 1; } };
}
int main(int n, char **) {
  std::function<int(int)> f = [](int x) { return app::Tree<int>{x}.depth() + sink; };
  for (;;) sink += f(n);
}`;
    const through = ['catches', 'depth'];
    for (const [where, own] of [
      ['0', ['wait_here', '~Waits', 'throws']],
      ['1', ['wait_here']],
    ] as const) {
      const program = programs.compile('g++', 'cc', source, ...plain, `-DWHERE=${where}`);
      const { calls } = await assertProgram(t, [program], 'clock_nanosleep', [...own, ...through]);
      const functions = names(calls[0]?.userStack ?? []);
      t.true(functions.some((name) => name?.startsWith('std::function<int (int)>::operator()')));
      t.true(functions.includes('app::Tree<int>::depth() const'));
    }
  },
);

test.serial('a Rust program compiled for release', async (t) => {
  const source = `
use std::hint::black_box;
use std::time::Duration;
mod app {
    #[inline(never)]
    pub fn call(f: &dyn Fn(u32) -> u32) -> u32 { f(3) + 1 }
    #[inline(always)]
    pub fn inlined(x: u32) -> u32 { super::middle(x) * 3 }
}
#[inline(never)]
fn middle(x: u32) -> u32 {
    app::call(&move |y| { std::thread::sleep(Duration::from_millis(3)); x + y }) + 1
}
fn main() {
    std::thread::spawn(|| loop { black_box(app::inlined(black_box(7))); }).join().unwrap();
}`;
  const program = programs.compile('rustc', 'rs', source, '-O', '-g');
  const pid = await programs.start(program);
  const { calls } = await record(pid, 'clock_nanosleep');
  assertLikeGdb(t, calls, gdbFrames(programs.folder, pid, 'clock_nanosleep'));
  const [{ userStack } = { userStack: [] }] = calls;
  const inlined = userStack.find(({ symbol }) => symbol?.endsWith('app::inlined'));
  t.like(inlined, { inlined: true, line: 8 });
  // As the compiler's version makes names.
  t.true(names(userStack).some((name) => /middle::\{(\{closure\}|closure#0)\}$/.test(name ?? '')));
});

test.serial('python3 from Debian, with lines in the C library, whose debug files are apart', async (t) => {
  const text = 'import time\ndef f():\n  time.sleep(0.003)\nwhile True:\n  f()';
  const command: [string, ...string[]] = ['/usr/bin/python3', '-c', text];
  const { calls } = await assertProgram(t, command, 'clock_nanosleep', ['clock_nanosleep']);
  t.is(calls[0]?.userStack.at(-1)?.symbol, '_start');
  t.regex(calls[0]?.userStack[0]?.file ?? '', /clock_nanosleep\.c$/);
  t.true((calls[0]?.userStack.length ?? 0) > 8);
});
