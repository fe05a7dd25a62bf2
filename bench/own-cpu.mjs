// What own-cpu.ts measures: one window of so many ms of a process, with the default options, and what each part of it took of a CPU.
// Plain JavaScript, so that nothing else is loaded.
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { CaptureSession } from '../dist/index.js';

const [pid, milliseconds] = process.argv.slice(2).map(Number);

/** Of all threads of this process, in user code and in the kernel. */
function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Of the whole machine. */
function switches() {
  return Number(/^ctxt (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))[1]);
}

const session = await CaptureSession.open({ pid });
const openedMs = cpuMs();
const before = switches();
session.start();
const startedMs = cpuMs();
await setTimeout(milliseconds);
const windowMs = cpuMs() - startedMs;
session.stop();
const made = switches() - before;
const sample = await session.read();
const readMs = cpuMs() - startedMs - windowMs;
await session.close();
const { recorderOverwritten, switchesMissed, threadsUntracked, syscallsUntracked } = sample.losses;
console.log(
  JSON.stringify({
    threads: sample.threads.length,
    windowNs: sample.windowNs,
    switches: made,
    openedMs,
    windowMs,
    readMs,
    lost: recorderOverwritten + threadsUntracked + syscallsUntracked,
    switchesMissed,
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
  }),
);
