/** Programs that break where a tracer replaces return addresses, or puts a breakpoint where none belongs. Each calls `traced` a number of times that is its argument, at least a millisecond apart, and prints what it has computed. */

const c = `
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static unsigned long sum = 1;
static void add(unsigned long x) { sum = sum * 6364136223846793005UL + x + 1; }
static int finish(void) { printf("%lx\\n", sum); return 0; }
`;

const longjmp = `${c}
static jmp_buf place;
__attribute__((noinline)) int traced(int n) { usleep(300); if (n % 3 == 1) longjmp(place, n + 1); return n * 7; }
__attribute__((noinline)) int outer(int n) { int x = traced(n) + 2; __asm__ volatile("" : "+r"(x)); return x; }
int main(int argc, char **argv) {
  for (volatile int n = 0, end = atoi(argv[1]); n < end; n++) {
    int jumped = setjmp(place);
    add(jumped ? jumped : outer(n));
    usleep(700);
  }
  return finish();
}`;

const exceptions = `
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <unistd.h>
struct Guard { int *count; ~Guard() { ++*count; } };
static int unwound;
__attribute__((noinline)) int inner(int n) { Guard guard{&unwound}; usleep(300); if (n % 3 == 1) throw std::runtime_error(std::to_string(n)); return n; }
extern "C" __attribute__((noinline)) int traced(int n) { Guard guard{&unwound}; return inner(n) + 1; }
int main(int argc, char **argv) {
  unsigned long sum = 1;
  for (int n = 0, end = atoi(argv[1]); n < end; n++) {
    try { sum = sum * 31 + traced(n); } catch (std::exception &error) { sum = sum * 37 + atoi(error.what()); }
    usleep(700);
  }
  std::printf("%lx %d\\n", sum, unwound);
}`;

/** Two stacks of their own, between which control goes from within the function. */
const fibers = `${c}
#include <ucontext.h>
static ucontext_t home, fibers[2];
static char stacks[2][65536];
static int turn, last;
__attribute__((noinline)) int traced(int n) { usleep(200); swapcontext(&fibers[turn], &home); return n * 3 + turn; }
static void run(void) { for (int n = 0;; n++) { last = traced(n); swapcontext(&fibers[turn], &home); } }
int main(int argc, char **argv) {
  for (int i = 0; i < 2; i++) {
    getcontext(&fibers[i]);
    fibers[i].uc_stack.ss_sp = stacks[i];
    fibers[i].uc_stack.ss_size = sizeof stacks[i];
    makecontext(&fibers[i], run, 0);
  }
  for (int n = 0, end = atoi(argv[1]); n < end; n++) {
    turn = n / 3 % 2;
    swapcontext(&home, &fibers[turn]);
    add(last);
    usleep(800);
  }
  return finish();
}`;

const cancellation = `${c}
#include <pthread.h>
static void count(void *cleaned) { ++*(int *)cleaned; }
__attribute__((noinline)) int traced(int n) { usleep(300); if (n % 2) pause(); return n; }
static void *work(void *number) {
  static int cleaned;
  pthread_cleanup_push(count, &cleaned);
  traced((int)(long)number);
  pthread_cleanup_pop(1);
  return (void *)(long)cleaned;
}
int main(int argc, char **argv) {
  for (long n = 0, end = atoi(argv[1]); n < end; n++) {
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, 0, work, (void *)n)) abort();
    usleep(700);
    if (n % 2) pthread_cancel(thread);
    pthread_join(thread, &result);
    add(result == PTHREAD_CANCELED ? 5 : (long)result);
  }
  return finish();
}`;

/** On a stack of their own, within a call of the same function, and left by a jump. */
const signals = `${c}
static sigjmp_buf place;
static volatile sig_atomic_t handled;
__attribute__((noinline)) int traced(int n) { if (n >= 0) { usleep(200); raise(SIGUSR1); } else usleep(100); return n * 5; }
static void handler(int number) { (void)number; handled += traced(-1 - handled % 7); if (handled % 2) siglongjmp(place, 1); }
int main(int argc, char **argv) {
  static char stack[65536];
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  if (sigaltstack(&other, 0) || sigaction(SIGUSR1, &action, 0)) abort();
  for (volatile int n = 0, end = atoi(argv[1]); n < end; n++) {
    add(sigsetjmp(place, 1) ? 9 : traced(n));
    add(handled);
    usleep(700);
  }
  return finish();
}`;

const vfork = `${c}
#include <sys/wait.h>
__attribute__((noinline)) int traced(int n) {
  int status;
  pid_t child = vfork();
  if (child == 0) _exit(n % 100);
  if (child < 0 || waitpid(child, &status, 0) != child) abort();
  return WEXITSTATUS(status);
}
int main(int argc, char **argv) {
  for (int n = 0, end = atoi(argv[1]); n < end; n++) { add(traced(n)); usleep(1000); }
  return finish();
}`;

/** Code that is made while it runs, and made anew: it calls the function, and the function calls it. */
const generated = `${c}
#include <string.h>
#include <sys/mman.h>
typedef int code(int, int (*)(int));
static code *made;
__attribute__((noinline)) int traced(int n) { if (n < 0) return -n; usleep(300); return made(-n - 1, traced) + 3; }
int main(int argc, char **argv) {
#ifdef __x86_64__
  /* sub $8,%rsp; call *%rsi; add $N,%eax; add $8,%rsp; ret */
  unsigned char text[] = {0x48, 0x83, 0xec, 8, 0xff, 0xd6, 0x83, 0xc0, 0, 0x48, 0x83, 0xc4, 8, 0xc3};
  enum { place = 8 };
#else
  /* stp x29,x30,[sp,#-16]!; blr x1; add w0,w0,#N; ldp x29,x30,[sp],#16; ret */
  unsigned text[] = {0xa9bf7bfd, 0xd63f0020, 0x11000000, 0xa8c17bfd, 0xd65f03c0};
#endif
  made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) abort();
  for (int n = 0, end = atoi(argv[1]); n < end; n++) {
#ifdef __x86_64__
    text[place] = n % 100;
#else
    text[2] = 0x11000000 | n % 100 << 10;
#endif
    memcpy((void *)made, text, sizeof text);
    __builtin___clear_cache((char *)made, (char *)made + sizeof text);
    add(traced(n));
    usleep(700);
  }
  return finish();
}`;

/** A value that a breakpoint inside of an instruction, or in a table, would change. */
const tables = `${c}
static const unsigned char numbers[] = {0xc3, 0xcc, 0x90, 0xc3, 0x55, 0xc3, 0xe9, 0xc3};
__attribute__((noinline)) unsigned traced(unsigned n) {
  unsigned constant = 0xc3c3c3c3u;
  __asm__ volatile("" : "+r"(constant));
  switch (n % 8) {
    case 0: return constant;
    case 1: return constant ^ n;
    case 2: return numbers[n / 8 % 8];
    case 3: usleep(100); return 77;
    case 4: return constant + numbers[n / 8 % 8];
    case 5: return n * n;
    case 6: return ~constant;
    default: return n;
  }
}
int main(int argc, char **argv) {
  for (int n = 0, end = atoi(argv[1]); n < end; n++) { add(traced(n)); usleep(1000); }
  return finish();
}`;

const go = `package main
import ("fmt"; "os"; "runtime"; "strconv"; "sync"; "time")
//go:noinline
func deep(n int) int {
	var pad [512]byte
	pad[n%512] = byte(n)
	if n == 0 { return 0 }
	return deep(n-1) + int(pad[n%512])
}
//go:noinline
func traced(n int) int {
	if n%7 == 3 { panic(n) }
	time.Sleep(100 * time.Microsecond)
	return deep(n % 200)
}
func guarded(n int) (result int) {
	defer func() { if r := recover(); r != nil { result = 1000 + r.(int) } }()
	return traced(n)
}
func main() {
	end, _ := strconv.Atoi(os.Args[1])
	var sum uint64 = 1
	for i := 0; i < end; i++ {
		results := make([]int, 4)
		var wait sync.WaitGroup
		for k := range results {
			k := k
			wait.Add(1)
			go func() { defer wait.Done(); results[k] = guarded(i*4 + k) }()
		}
		wait.Wait()
		for _, result := range results { sum = sum*6364136223846793005 + uint64(result) + 1 }
		if i%10 == 0 { runtime.GC() }
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("%x\\n", sum)
}`;

const rust = `
use std::panic::{catch_unwind, set_hook};
use std::time::Duration;
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C-unwind" fn traced(n: u64) -> u64 {
    let held = vec![n; 3];
    std::thread::sleep(Duration::from_micros(200));
    if n % 3 == 1 { std::panic::panic_any(n) }
    held.iter().sum()
}
fn main() {
    set_hook(Box::new(|_| {}));
    let end: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut sum = 1u64;
    for n in 0..end {
        let result = catch_unwind(|| traced(n)).unwrap_or_else(|panic| 7 + panic.downcast_ref::<u64>().unwrap());
        sum = sum.wrapping_mul(6364136223846793005).wrapping_add(result + 1);
        std::thread::sleep(Duration::from_micros(800));
    }
    println!("{sum:x}");
}`;

export interface TracedProgram {
  /** What it does. */
  title: string;
  compiler: string;
  extension: string;
  source: string;
  flags: string[];
  /** As a trigger names it. */
  traced: string;
}

const inC = (title: string, source: string, ...flags: string[]): TracedProgram => ({
  title,
  compiler: 'cc',
  extension: 'c',
  source,
  flags: ['-O2', ...flags],
  traced: 'traced',
});

export const tracedPrograms: readonly TracedProgram[] = [
  inC('jumps out of calls (longjmp)', longjmp),
  { ...inC('C++ exceptions', exceptions), compiler: 'c++', extension: 'cc' },
  inC('fibers', fibers),
  inC('threads that are cancelled', cancellation, '-pthread'),
  inC('signal handlers on a stack of their own', signals),
  inC('vfork', vfork),
  inC('generated code', generated),
  inC('a switch, and constants that look like returns', tables),
  {
    title: 'Go: goroutines, growing stacks, panics',
    compiler: 'go',
    extension: 'go',
    source: go,
    flags: ['build'],
    traced: 'main.traced',
  },
  {
    title: 'Rust panics',
    compiler: 'rustc',
    extension: 'rs',
    source: rust,
    flags: ['-O', '--edition', '2024'],
    traced: 'traced',
  },
];
