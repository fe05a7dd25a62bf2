/** Triggers at returns, and at places that the kernel or kdelay refuses, with the real command line. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { Sample } from '../../src/report/types.js';
import { assertRefused, kdelay, run, samples } from './cli.js';
import { Programs } from './programs.js';

/** What they are about are instructions of x86. */
const onX86 = process.arch === 'x64' ? test.serial : test.serial.skip;

const programs = new Programs();
test.after.always(() => programs.end());

const getppids = ({ threads }: Sample): number =>
  threads.flatMap(({ syscalls }) => syscalls).find(({ name }) => name === 'getppid')?.count ?? 0;

/** Three calls within `work`, which is left in as many ways: by its end, by an early return, by jumps to another function. */
const ways = `
#include <unistd.h>
static void calls(int n) { for (int k = 0; k < n; k++) getppid(); }
__attribute__((noinline)) int other(int n) { calls(100); __asm__ volatile("" : "+r"(n)); return n; }
__attribute__((noinline)) int work(int n) {
  calls(3);
  if (n % 3 == 0) return 7;
  if (n % 3 == 1) return other(n);
  usleep(100);
  return n;
}
int main(void) { for (int n = 0;; n++) { int x = work(n); __asm__ volatile("" : "+r"(x)); usleep(1000); } }`;

for (const level of ['-O0', '-O2', '-Os']) {
  test.serial(`each way out of a function is a return, ${level}`, async (t) => {
    const program = programs.compile('cc', 'c', ways, level, '-fno-inline');
    const pid = await programs.start(program);
    const triggers = ['--start-trigger', 'up:work', '--stop-trigger', 'ur:work', '--sample-count', '30'];
    const taken = await samples('-p', String(pid), '--trigger-timeout', '30', ...triggers);
    const counts = new Set(taken.map(getppids));
    // Called, the other function is a part of the call; jumped to, it is not.
    const expected = level === '-O0' ? [3, 103] : [3];
    t.deepEqual([...counts].sort(), expected.sort());
    for (const { stop } of taken) t.is(stop.by, 'trigger');
  });
}

/** As compilers for size make it: the function is left by a conditional jump to another one, if its argument is odd. */
const conditional = `
#include <unistd.h>
__attribute__((section(".text.far"))) void other(int n) { getppid(); }
void work(int);
__asm__(".globl work\\n.type work,@function\\nwork:\\n.cfi_startproc\\n"
  "push %rdi\\n.cfi_adjust_cfa_offset 8\\ncall step\\npop %rdi\\n.cfi_adjust_cfa_offset -8\\n"
  "test $1,%edi\\njne other\\npush %rdi\\n.cfi_adjust_cfa_offset 8\\ncall step\\npop %rdi\\n.cfi_adjust_cfa_offset -8\\nret\\n"
  ".cfi_endproc\\n.size work,.-work\\n");
void step(void) { getppid(); }
int main(int argc, char **argv) { for (int n = 0;; n++) { work(argc > 1 ? 1 : n % 2); usleep(1000); } }`;

onX86('a conditional jump to another function is a return when it is taken', async (t) => {
  const program = programs.compile('cc', 'c', conditional, '-O2');
  const pid = await programs.start(program);
  const triggers = ['--start-trigger', 'up:work', '--stop-trigger', 'ur:work', '--sample-count', '40'];
  const taken = await samples('-p', String(pid), '--trigger-timeout', '30', ...triggers);
  // One call before the jump, and one more if it is not taken.
  const counts = taken.map(getppids).sort();
  t.deepEqual([...new Set(counts)], [1, 2]);
  const always = await programs.start(program, 'odd');
  const odd = await samples('-p', String(always), '--trigger-timeout', '30', ...triggers);
  t.deepEqual([...new Set(odd.map(getppids))], [1]);
});

test.serial('stacks go on above a function with a trigger at its return', async (t) => {
  const source = `
#include <unistd.h>
__attribute__((noinline)) void inner(void) { usleep(2000); __asm__ volatile(""); }
__attribute__((noinline)) int work(int n) { inner(); inner(); return n + 1; }
__attribute__((noinline)) int outer(int n) { int r = work(n) + 2; __asm__ volatile("" : "+r"(r)); return r; }
int main(void) { for (int n = 0;;) n = outer(n); }`;
  const pid = await programs.start(programs.compile('cc', 'c', source, '-O1'));
  const triggers = ['--start-trigger', 'up:work', '--stop-trigger', 'ur:work', '--sample-count', '3'];
  const taken = await samples('-p', String(pid), '--trigger-timeout', '30', '-s', '1000000', ...triggers);
  t.is(taken.length, 3);
  for (const { syscallEvents } of taken) {
    t.is(syscallEvents?.length, 2);
    for (const { userStack, userStackEnd } of syscallEvents ?? []) {
      t.is(userStackEnd, 'complete');
      const names = userStack.map(({ symbol }) => symbol);
      const from = names.indexOf('inner');
      t.deepEqual(names.slice(from, from + 4), ['inner', 'work', 'outer', 'main']);
    }
  }
});

test.serial('several targets of one program, followed, have one probe for each place', async (t) => {
  const source = `
#include <unistd.h>
__attribute__((noinline)) void begin(void) { __asm__ volatile(""); }
__attribute__((noinline)) void often(void) { __asm__ volatile(""); }
__attribute__((noinline)) void end(void) { __asm__ volatile(""); }
int main(int argc, char **argv) { for (;;) { if (argc > 1) { for (int n = 0; n < 10; n++) often(); end(); } usleep(1000); } }`;
  const program = programs.compile('cc', 'c', source, '-O1');
  const pids = [await programs.start(program, 'busy')];
  for (let others = 2; others > 0; others--) pids.push(await programs.start(program));
  const triggers = ['--start-trigger', 'up:often', '--stop-trigger', 'up:end', '--sample-count', '5'];
  const taken = await samples('--follow', '-p', pids.join(','), '--trigger-timeout', '30', ...triggers);
  // Of ten hits the first opens the window, unless that is armed in the middle of the ten. Counted as samples are read.
  const counted = taken.reduce((sum, { startsInWindow }) => sum + startsInWindow, 0);
  t.true(counted > 9 && counted <= 5 * 9, String(counted));
});

test.serial('inside of an instruction of a stripped program is refused, and its value stays', async (t) => {
  const source = `
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) unsigned magic(unsigned n) { unsigned r = 0x12345678u; __asm__ volatile("" : "+r"(r)); return r + n - n; }
int main(void) { for (unsigned n = 0;; n++) { if (magic(n) != 0x12345678u) return 1; usleep(1000); } }`;
  const program = programs.compile('cc', 'c', source, '-O1', '-fcf-protection=none');
  const [address] = /^(\w+) T magic$/m.exec(run('nm', [program]).stdout)?.slice(1) ?? [];
  run('strip', [program]);
  const pid = await programs.start(program);
  const at = (offset: number) => `up:0x${(Number.parseInt(address ?? '', 16) + offset).toString(16)}`;
  const capture = (trigger: string) =>
    kdelay(
      ...['capture', '-p', String(pid), '--start-trigger', trigger, '--sample-time', '0.01'],
      ...['--trigger-timeout', '30', '-f', 'json'],
    );
  assertRefused(t, capture(at(2)), 66, /inside of an instruction/, /instructions begin at/);
  t.is(capture(at(0)).status, 0);
  assertRefused(
    t,
    capture(at(0).replace('up:', 'ur:').replace(/.$/, '1')),
    66,
    /cannot be told: neither symbols nor unwind tables/,
  );
  t.is(capture(at(0).replace('up:', 'ur:')).status, 0);
  t.regex(readFileSync(`/proc/${pid}/stat`, 'utf8'), /\) [SR]/);
});

onX86('what the kernel refuses has a reason', async (t) => {
  const source = `
#include <unistd.h>
__attribute__((used)) static int counter;
void locked(void); void trap(void); void notrack(void);
__asm__(".macro function name\\n.globl \\\\name\\n.type \\\\name,@function\\n\\\\name:\\n.endm\\n"
  "function locked\\nlock incl counter(%rip)\\nret\\n.size locked,.-locked\\n"
  "function notrack\\nnotrack jmp *%rax\\n.size notrack,.-notrack\\n"
  "function trap\\nint3\\nret\\n.size trap,.-trap\\n");
int main(int argc, char **argv) { for (;;) { locked(); if (argc > 5) { trap(); notrack(); } usleep(1000); } }`;
  const pid = await programs.start(programs.compile('cc', 'c', source, '-O1'));
  for (const [name, reason] of [
    ['locked', /a locked instruction/],
    ['notrack', /notrack/],
    ['trap', /a breakpoint itself/],
  ] as const) {
    assertRefused(t, kdelay('capture', '-p', String(pid), '--start-trigger', `up:${name}`), 66, reason);
  }
  t.is(run('kill', ['-0', String(pid)]).status, 0);
});

test.serial('a function whose ends cannot be found is refused, unless a uretprobe is allowed', async (t) => {
  const source = `
#include <unistd.h>
int work(int n);
__asm__(".globl work\\n.type work,@function\\nwork: ${process.arch === 'x64' ? 'lea local(%rip),%rax\\njmp *%rax\\n.byte 6,6,6' : 'adr x9, local\\nbr x9\\n.inst 0xffffffff'}\\n.size work,.-work\\nlocal: ${process.arch === 'x64' ? 'mov %edi,%eax' : 'nop'}\\nret\\n");
int main(void) { for (int n = 0;;) { n = work(n); usleep(1000); } }`;
  const pid = await programs.start(programs.compile('cc', 'c', source, '-O1', '-fno-inline'));
  const args = ['capture', '-p', String(pid), '--trigger-timeout', '30', '--sample-time', '0.01'];
  const refused = kdelay(...args, '--start-trigger', 'ur:work');
  assertRefused(
    t,
    refused,
    66,
    /where work returns cannot be told: /,
    /--allow-uretprobe .* Go programs abort/,
  );
  const allowed = kdelay(...args, '--start-trigger', 'ur:work', '--allow-uretprobe', '-f', 'json');
  t.is(allowed.status, 0, allowed.stderr);
  await delay(10);
  t.is(run('kill', ['-0', String(pid)]).status, 0);
  assertRefused(t, kdelay(...args.slice(0, 3), '--allow-uretprobe'), 64, /there is no trigger/);
});
