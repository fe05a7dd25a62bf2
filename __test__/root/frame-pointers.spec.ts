/** User stacks that the kernel walks by frame pointers: programs that keep them, and such that do not. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { samples } from './cli.js';
import { Programs } from './programs.js';

const programs = new Programs();
test.after.always(() => programs.end());

/** It calls the kernel by itself: a library's function without frame pointer would hide its caller. */
const chain = `
#include <time.h>
#define NEVER_INLINED __attribute__((noinline))
NEVER_INLINED long sleep_here(const struct timespec *time) {
  // Or the compiler would find that it can do without a frame.
  __asm__ volatile("" :: "r"(__builtin_frame_address(0)));
#ifdef __x86_64__
  long result = 35;
  __asm__ volatile("syscall" : "+a"(result) : "D"(time), "S"(0) : "rcx", "r11", "memory");
#else
  register long call __asm__("x8") = 101, result __asm__("x0") = (long)time, rest __asm__("x1") = 0;
  __asm__ volatile("svc 0" : "+r"(result) : "r"(call), "r"(rest) : "memory");
#endif
  return result;
}
NEVER_INLINED long inner(long x) { struct timespec time = { 0, 3000000 }; return x + sleep_here(&time); }
NEVER_INLINED long outer(long x) { return inner(x) * 2; }
NEVER_INLINED int run(void) { for (long i = 0;; i++) outer(i); }`;

const start = `
#ifdef __x86_64__
__asm__(".globl _start\\n_start: xor %ebp, %ebp\\ncall run\\nhlt");
#else
__asm__(".globl _start\\n_start: mov x29, 0\\nmov x30, 0\\nbl run\\nbrk 0");
#endif`;

async function stacks(source: string, ...flags: string[]) {
  const file = join(programs.folder, `program-${flags.length}`);
  writeFileSync(`${file}.c`, source);
  execFileSync('gcc', ['-O2', '-fno-omit-frame-pointer', '-g', '-o', file, `${file}.c`, ...flags]);
  const pid = await programs.start(file);
  const options = ['-s', '1000000', '--off-cpu', '--user-stack-by', 'fp'];
  const [sample] = await samples('-p', String(pid), ...options);
  const of = ({ userStack }: { userStack: Array<{ symbol: string | null }> }) =>
    userStack.map(({ symbol }) => symbol);
  return {
    calls: sample?.syscallEvents.map((event) => ({ names: of(event), end: event.userStackEnd })) ?? [],
    times: sample?.offCpu.map((time) => ({ names: of(time), end: time.userStackEnd })) ?? [],
  };
}

test.serial('from where the call was made to the beginning of the program', async (t) => {
  const { calls, times } = await stacks(chain + start, '-nostdlib', '-static', '-no-pie');
  t.true(calls.length > 10);
  t.is(times.length, 1);
  for (const { names, end } of [...calls, ...times]) {
    t.deepEqual(names, ['sleep_here', 'inner', 'outer', 'run', '_start']);
    t.is(end, 'complete');
  }
});

test.serial('as far as there are frame pointers, and it says so', async (t) => {
  // Debian's C library, which has called main, keeps none.
  const { calls, times } = await stacks(
    `${chain}\nint main() { return run(); }`,
    '-fno-optimize-sibling-calls',
  );
  t.true(calls.length > 10);
  t.true(times.length > 0);
  for (const { names, end } of [...calls, ...times]) {
    t.deepEqual(names.slice(0, 4), ['sleep_here', 'inner', 'outer', 'run']);
    t.is(end, 'no frame pointer');
  }
});
