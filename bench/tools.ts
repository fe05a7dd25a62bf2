/** Tools of others, each asked for what comes closest to kdelay’s: calls by number and time, or waits for a CPU. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import * as counts from './counts.js';
import { type Manner, startProgram } from './program.js';
import type { Calls, Started, Tracer } from './tracer.js';

/** Reads what a tool printed; see Attached.detach. */
type Check = (printed: string, made: Calls) => number | null;

interface Tool {
  name: string;
  what: string;
  command: (pid: number) => [program: string, ...args: string[]];
  environment?: Manner['environment'];
  ready: Manner['ready'];
  check: Check;
}

function tool({ name, what, command, environment = {}, ready, check }: Tool): Tracer {
  async function start(pid: number): Promise<Started> {
    const [program, ...args] = command(pid);
    const started = await startProgram(program, args, { ready, signal: 'SIGINT', environment });
    return {
      pid: started.pid,
      printed: started.printed,
      attachedMs: started.readyMs,
      async detach(made) {
        const printed = await started.end();
        return made === null ? null : check(printed, made);
      },
    };
  }
  return { name, what, everywhere: true, foreign: true, attach: start, start };
}

const byName =
  (name: string, parse: (printed: string) => Calls): Check =>
  (printed, made) =>
    counts.lostShare(name, parse(printed), made);

/** It knows calls by number only. */
const bpftraceCheck: Check = (printed, made) =>
  counts.lostShare(
    'bpftrace',
    { all: counts.total(counts.countsOfBpftrace(printed)) },
    { all: counts.total(made) },
  );

/** How often a thread waited is not known beforehand, but none of the loads works without waiting at least once. */
const histogramCheck =
  (name: string): Check =>
  (printed) => {
    if (counts.countOfHistogram(printed) === 0) throw new Error(`${name} counted no wait`);
    return null;
  };

const bpftraceScript = (pid: number) => `
  tracepoint:raw_syscalls:sys_enter /pid == ${pid}/ { @start[tid] = nsecs; }
  tracepoint:raw_syscalls:sys_exit /pid == ${pid} && @start[tid]/ {
    @calls[tid, args->id] = stats(nsecs - @start[tid]); delete(@start[tid]); }
  BEGIN { printf("attached\\n"); }`;

const settledMs = 100;
const lookMs = 10;

/** `perf trace` says nothing: it is attached once its events have been there for a while, and no further ones came. */
async function eventsSettled(pid: number): Promise<number> {
  for (let [before, stillMs] = [0, 0]; stillMs < settledMs; ) {
    await setTimeout(lookMs);
    const events = openEvents(pid);
    stillMs = events > 0 && events === before ? stillMs + lookMs : 0;
    before = events;
  }
  return settledMs;
}

function openEvents(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((descriptor) => {
    try {
      return readlinkSync(`${folder}/${descriptor}`) === 'anon_inode:[perf_event]';
    } catch {
      // Closed since the folder was read.
      return false;
    }
  }).length;
}

/** `-T`: those that matter here must be among the printed ones, whatever else was called. */
const everyCall = ['-T', '100'];
/** So that it says at once that it is attached. */
const unbuffered = { PYTHONUNBUFFERED: '1' };

export const tools: readonly Tracer[] = [
  tool({
    name: 'syscount',
    what: 'libbpf-tools: `syscount -p PID -L`: count and total of each call, by process',
    command: (pid) => ['stdbuf', '-oL', 'syscount', '-p', String(pid), '-L', ...everyCall],
    ready: /^Tracing/m,
    check: byName('syscount', counts.countsOfSyscount),
  }),
  tool({
    name: 'runqlat',
    what: 'libbpf-tools: `runqlat -p PID`: a histogram of waits for a CPU, and no calls',
    command: (pid) => ['stdbuf', '-oL', 'runqlat', '-p', String(pid)],
    ready: /^Tracing/m,
    check: histogramCheck('runqlat'),
  }),
  tool({
    name: 'syscount of bcc',
    what: 'bpfcc-tools: `syscount-bpfcc -p PID -L`',
    command: (pid) => ['syscount-bpfcc', '-p', String(pid), '-L', ...everyCall],
    environment: unbuffered,
    ready: /^Tracing/m,
    check: byName('syscount of bcc', counts.countsOfSyscount),
  }),
  tool({
    name: 'runqlat of bcc',
    what: 'bpfcc-tools: `runqlat-bpfcc -p PID`',
    command: (pid) => ['runqlat-bpfcc', '-p', String(pid)],
    environment: unbuffered,
    ready: /^Tracing/m,
    check: histogramCheck('runqlat of bcc'),
  }),
  tool({
    name: 'bpftrace',
    what: 'count, total, average of each call by thread',
    command: (pid) => ['bpftrace', '-B', 'line', '-e', bpftraceScript(pid)],
    ready: /^attached$/m,
    check: bpftraceCheck,
  }),
  tool({
    name: 'perf trace',
    what: '`perf trace -s -p PID`: count, total, least, most of each call by thread',
    command: (pid) => ['perf', 'trace', '-s', '-p', String(pid)],
    ready: eventsSettled,
    check: byName('perf trace', counts.countsOfPerfTrace),
  }),
  tool({
    name: 'strace',
    what: '`strace -c -f -p PID`: count, errors and system time of each call',
    command: (pid) => ['strace', '-c', '-f', '-p', String(pid)],
    ready: /^strace: Process \d+ attached/m,
    check: byName('strace', counts.countsOfStrace),
  }),
];
