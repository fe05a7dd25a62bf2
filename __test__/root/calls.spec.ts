/** A function's entry and its return as triggers: each window is one call, by the clock of the program that made it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import type { Report, Sample } from '../../src/report/types.js';
import { cli, runMeanwhile } from './cli.js';

const folder = mkdtempSync(join(tmpdir(), 'kdelay-calls-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** Each call is a line: how it ended, its thread, and the clock before it, as its first and last thing, and after it. */
const inC = `
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
static __thread long first, last;
static __thread jmp_buf out;
static void tell(const char *how, long before) {
  printf("%s %d %ld %ld %ld %ld\\n", how, gettid(), before, first, last, now());
}
__attribute__((noinline)) int walk(int depth) {
  long begun = now();
  usleep(2000);
  int below = depth > 0 ? walk(depth - 1) : 0;
  usleep(2000);
  first = begun;
  last = now();
  return below + 1;
}
__attribute__((noinline)) int query(int milliseconds) {
  first = now();
  usleep(milliseconds * 1000);
  last = now();
  return milliseconds;
}
__attribute__((noinline)) int risky(int n) {
  first = last = now();
  usleep(1000);
  if (n % 3 == 2) longjmp(out, 1);
  last = now();
  return n;
}
/* Further in than from its caller, and what was on the stack there is gone. */
__attribute__((noinline)) int deeper(int n) {
  char room[1000];
  memset(room, n, sizeof room);
  __asm__ volatile("" :: "r"(room) : "memory");
  return risky(n) + room[n % 1000];
}
static void *queries(void *milliseconds) {
  for (;;) { long before = now(); query((long)milliseconds); tell("returned", before); usleep(1000); }
}
int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 1 << 16);
  if (!strcmp(argv[1], "walk")) for (;;) { long before = now(); walk(4); tell("returned", before); usleep(5000); }
  if (!strcmp(argv[1], "query")) {
    pthread_t thread;
    pthread_create(&thread, 0, queries, (void *)30);
    queries((void *)3);
  }
  for (volatile int n = 0;; n++) {
    volatile long before = now();
    if (setjmp(out)) tell("left", before);
    else if (n / 4 % 2) { deeper(n); tell("returned", before); }
    else { risky(n); tell("returned", before); }
    usleep(2000);
  }
}`;

/** The same with an exception. */
const inCxx = `
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <unistd.h>
static long now() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
static long first, last;
struct Guard { ~Guard() { asm volatile(""); } };
__attribute__((noinline)) int parse(int n) { Guard guard; usleep(1000); if (n % 5 == 4) throw std::runtime_error("bad"); return n; }
extern "C" __attribute__((noinline)) int request(int n) {
  Guard guard;
  first = last = now();
  int result = parse(n) + 1;
  last = now();
  return result;
}
int main() {
  setvbuf(stdout, 0, _IOLBF, 1 << 16);
  for (int n = 0;; n++) {
    const char *how = "returned";
    long before = now();
    try { request(n); } catch (std::exception &) { how = "left"; }
    printf("%s %d %ld %ld %ld %ld\\n", how, (int)getpid(), before, first, last, now());
    usleep(2000);
  }
}`;

/** Goroutines that go from thread to thread, whose stacks grow as the function begins and in it, and that call it within itself. */
const inGo = `
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func now() int64 {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
	return t.Sec*1000000000 + t.Nsec
}

type inside struct{ first, last int64 }

//go:noinline
func fill(depth int) byte {
	var room [2000]byte
	room[depth%2000] = byte(depth)
	if depth > 0 {
		room[1] = fill(depth - 1)
	}
	return room[depth%2000] + room[1]
}

//go:noinline
func work(depth, n int, seen *inside) int {
	begun := now()
	var room [3000]byte
	room[n%3000] = fill(n % 40)
	runtime.Gosched()
	time.Sleep(300 * time.Microsecond)
	if depth > 0 {
		var within inside
		work(depth-1, n, &within)
	}
	if n%7 == 6 && depth == 0 {
		panic("left")
	}
	time.Sleep(300 * time.Microsecond)
	seen.first, seen.last = begun, now()
	return int(room[n%3000])
}

func call(depth, n int, seen *inside) (how string) {
	defer func() {
		if recover() != nil {
			how = "left"
		}
	}()
	work(depth, n, seen)
	return "returned"
}

func main() {
	runtime.GOMAXPROCS(4)
	var mutex sync.Mutex
	for worker := 0; worker < 6; worker++ {
		go func(worker int) {
			for n := worker; ; n++ {
				done := make(chan bool)
				/* On a stack of its own, which is small at first. */
				go func() {
					for again := 0; again < 3; again++ {
						var seen inside
						before := now()
						how := call((n+again)%3, n+again, &seen)
						after := now()
						mutex.Lock()
						fmt.Fprintln(os.Stdout, how, worker, before, seen.first, seen.last, after)
						mutex.Unlock()
					}
					done <- true
				}()
				<-done
				for begun := time.Now(); time.Since(begun) < 200*time.Microsecond; {
				}
			}
		}(worker)
	}
	select {}
}`;

interface Call {
  how: string;
  by: number;
  times: bigint[];
}

/** What the program has told, up to now. */
class Program {
  readonly calls: Call[] = [];
  readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
    if (child.stdout === null) throw new Error('no pipe');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [how = '', by, ...times] = line.split(' ');
      this.calls.push({ how, by: Number(by), times: times.map(BigInt) });
    });
  }

  static async start(program: string, ...args: string[]): Promise<Program> {
    const started = new Program(spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await once(started.child, 'spawn');
    return started;
  }

  /** Of the function, so many; and until the program has told of the last one. */
  async samples(name: string, count: number): Promise<Sample[]> {
    const triggers = ['--start-trigger', `up:${name}`, '--stop-trigger', `ur:${name}`];
    const args = ['capture', '-f', 'json', '-p', String(this.child.pid), ...triggers];
    const limits = ['--sample-count', String(count), '--trigger-timeout', '60'];
    const ran = await runMeanwhile(process.execPath, [cli, ...args, ...limits]);
    if (ran.status !== 0) throw new Error(ran.stderr);
    const { samples } = JSON.parse(ran.stdout) as Report;
    const last = BigInt(samples.at(-1)?.stop.monotonicNs ?? 0);
    while (!this.calls.some(({ times: [before = 0n] }) => before > last)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.child.kill('SIGKILL');
    return samples;
  }

  /** The one that the sample is of, by its clock. */
  of({ start, stop }: Sample): Call[] {
    const [begun, ended] = [BigInt(start.monotonicNs), BigInt(stop.monotonicNs)];
    return this.calls.filter(({ how, times: [before = 0n, first = 0n, last = 0n, after = 0n] }) => {
      return how === 'returned' && before <= begun && begun <= first && last <= ended && ended <= after;
    });
  }

  /** Whether it lies within a call that was under way before the first one: what is within that is taken for the outermost. */
  beganBefore({ start, stop }: Sample, first: Sample | undefined): boolean {
    const [begun, ended] = [BigInt(start.monotonicNs), BigInt(stop.monotonicNs)];
    const firstNs = BigInt(first?.start.monotonicNs ?? 0);
    return this.calls.some(({ times: [before = 0n, inside = 0n, , after = 0n] }) => {
      // The first one itself is what is within its own call from the beginning on.
      const isOwn = inside >= begun && before <= begun;
      return before < firstNs && before <= begun && ended <= after && !isOwn;
    });
  }

  /** Those left after that, and before this. */
  left(after: Sample, before: Sample): number {
    const [from, to] = [BigInt(after.stop.monotonicNs), BigInt(before.start.monotonicNs)];
    return this.calls.filter(({ how, times: [at = 0n] }) => how === 'left' && at > from && at < to).length;
  }
}

function assertCalls(t: ExecutionContext, program: Program, taken: Sample[], count: number) {
  t.is(taken.length, count);
  for (const sample of taken) {
    const { length } = program.of(sample);
    t.is(length, 1, `${sample.start.monotonicNs} to ${sample.stop.monotonicNs}: ${length}`);
    t.deepEqual([sample.start.by, sample.stop.by], ['trigger', 'trigger']);
  }
}

/** Where one thread makes all calls, each is seen. */
function assertLeft(t: ExecutionContext, program: Program, taken: Sample[]) {
  t.true(taken.some(({ callsLeft }) => callsLeft > 0));
  for (const [index, before] of taken.entries()) {
    const sample = taken[index + 1];
    if (sample === undefined || sample.losses.triggersMissed > 0) continue;
    t.is(sample.callsLeft, program.left(before, sample), `sample ${index + 1}`);
  }
}

function compile(name: string, source: string, compiler: string): string {
  const file = join(folder, `${name}.${compiler === 'c++' ? 'cpp' : 'c'}`);
  writeFileSync(file, source);
  execFileSync(compiler, ['-O1', '-g', '-pthread', '-o', join(folder, name), file]);
  return join(folder, name);
}

const program = compile('calls', inC, 'cc');

test.serial('a function that calls itself is captured as one call', async (t) => {
  const walking = await Program.start(program, 'walk');
  // A call that is under way as the triggers are attached is not known: the first window may be a part of it.
  const taken = (await walking.samples('walk', 6)).slice(1);
  assertCalls(t, walking, taken, 5);
  for (const { startsInWindow } of taken) t.is(startsInWindow, 0);
});

test.serial('of two threads that call the same function each window is one’s own', async (t) => {
  const querying = await Program.start(program, 'query');
  const taken = await querying.samples('query', 20);
  assertCalls(t, querying, taken, 20);
  for (const sample of taken) {
    t.deepEqual(sample.start.trigger, sample.stop.trigger);
    t.is(querying.of(sample)[0]?.by, sample.start.trigger?.tid);
  }
});

test.serial('a call that is left by longjmp is no sample, and is counted', async (t) => {
  const jumping = await Program.start(program, 'risky');
  const taken = await jumping.samples('risky', 20);
  assertCalls(t, jumping, taken, 20);
  assertLeft(t, jumping, taken);
});

test.serial('the text report tells of each that was left', async (t) => {
  const jumping = await Program.start(program, 'risky');
  const triggers = ['--start-trigger', 'up:risky', '--stop-trigger', 'ur:risky'];
  const args = ['capture', '-p', String(jumping.child.pid), ...triggers, '--sample-count', '4'];
  const ran = await runMeanwhile(process.execPath, [cli, ...args]);
  jumping.child.kill('SIGKILL');
  t.is(ran.status, 0, ran.stderr);
  t.regex(ran.stdout, /^# Stop sampling \(left\) @/m);
  t.regex(ran.stdout, /^# Sample dump skipped, the call was left without a return @/m);
});

test.serial('a call that is left by an exception is no sample, and is counted', async (t) => {
  const throwing = await Program.start(compile('throws', inCxx, 'c++'));
  const taken = await throwing.samples('request', 20);
  assertCalls(t, throwing, taken, 20);
  assertLeft(t, throwing, taken);
});

test.serial('of goroutines each window is one’s own call', async (t) => {
  const source = join(folder, 'calls.go');
  writeFileSync(source, inGo);
  const program = join(folder, 'goroutines');
  execFileSync('go', ['build', '-o', program, source], {
    env: { ...process.env, GOCACHE: join(folder, 'go') },
  });
  const going = await Program.start(program);
  const taken = await going.samples('main.work', 40);
  const whole = taken.filter((sample) => !going.beganBefore(sample, taken[0]));
  assertCalls(t, going, whole, whole.length);
  t.true(whole.length > 30, `${whole.length} of ${taken.length}`);
  t.true(
    taken.some(({ start, stop }) => start.trigger?.tid !== stop.trigger?.tid),
    'none went to another thread',
  );
  t.true(taken.some(({ callsLeft }) => callsLeft > 0));
});
