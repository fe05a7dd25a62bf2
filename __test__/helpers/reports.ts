/** Reports that every format is tried on. */

import { buildReport } from '../../src/options/report.js';
import type { CapturedReport } from '../../src/report/events.js';
import { toSample } from '../../src/report/sample.js';
import type { Header, Options, Target } from '../../src/report/types.js';
import { buildVerdict } from '../../src/verdict/verdict.js';
import {
  busyThread,
  emptyBudget,
  noRawLosses,
  rawCalls,
  rawChain,
  rawEvent,
  rawFrame,
  rawOffCpu,
  rawSample,
  rawSyscall,
  rawTarget,
  rawThread,
  rawWindow,
  startMonotonicNs,
  startWallNs,
} from './raw.js';

/** What differs from machine to machine and release to release, held still. */
const fixed: Pick<Header, 'version' | 'host'> = {
  version: '0.0.0',
  host: { hostname: 'box', kernel: '6.18.0', arch: 'x86_64', cpus: 2 },
};

const hostile = '\x1b]0;x\x07\u202e\u200b\n';

/** A second after the first window, for 0.2 s. */
function second(by: 'interrupt' | 'trigger', trigger = by === 'trigger' ? firing : null) {
  return rawWindow(
    {
      by,
      trigger,
      monotonicNs: startMonotonicNs + 1_200_000_000n,
      wallNs: startWallNs + 1_200_000_000n,
    },
    { trigger, monotonicNs: startMonotonicNs + 1_000_000_000n, wallNs: startWallNs + 1_000_000_000n },
  );
}

const firing = { pid: 100, tid: 101, comm: hostile };

const exitedThread = rawThread({
  tid: 102,
  comm: 'short-lived',
  exited: true,
  syscalls: [rawSyscall('exit', 60, { count: 0, totalNs: 0, maxNs: 0, inFlightNs: 17 })],
});

const parent = rawTarget(100, 'main');
const child = rawTarget(200, 'child');

export const reports: Readonly<Record<string, CapturedReport>> = {
  'one process with everything in it': report(
    [parent],
    [
      {
        threads: [busyThread(), exitedThread],
        stealNs: 30_000_000,
        upcalls: [
          { cpu: 1, result: 0, errno: null, count: 12_345 },
          { cpu: 0, result: -28, errno: 'ENOSPC', count: 7 },
        ],
      },
    ],
    { verdict: true },
  ),
  histograms: report([parent], [{ threads: [busyThread()] }], { histograms: true }),
  'recorded calls': report(
    [parent],
    [
      {
        calls: rawCalls([
          rawEvent(),
          rawEvent({ name: 'mmap', number: 9, result: '140737488355327', durationNs: 999 }),
          rawEvent({ name: 'read', number: 3, abi: 'ia32', result: '-11', errno: 'EAGAIN' }),
          rawEvent({ name: 'execve', number: 59, arguments: null, durationNs: 1_234_567_890 }),
        ]),
        losses: { ...noRawLosses, eventsDropped: 3, eventsOverLimit: 70_000 },
      },
      {
        calls: rawCalls([
          rawEvent({
            wait: { offCpuNs: 90_000, preempted: false },
            kernelStack: 0,
            userStack: 1,
            userStackEnd: 'complete',
          }),
          rawEvent({
            wait: { offCpuNs: 1_000, preempted: true },
            kernelStack: 3,
            userStack: 2,
            userStackEnd: 'cut',
          }),
        ]),
        stacks: [
          [
            rawFrame('futex_wait', { module: '[kernel]', buildId: null }),
            rawFrame('f', { module: '[ext4]' }),
          ],
          [
            rawFrame('inner', { inlined: true, file: 'work.c', line: 7 }),
            rawFrame('main', { module: '/usr/bin/main', file: 'main.c' }),
          ],
          [
            rawFrame(null),
            rawFrame(null, { module: null, moduleAddress: null, buildId: null }),
            rawFrame(hostile, { module: hostile, file: hostile }),
          ],
          [],
        ],
        stackProblems: [`${hostile}: its debug information is left out: it is not intact`],
        losses: { ...noRawLosses, stacksLost: 2, stacksTruncated: 1, framesUnresolved: 2 },
      },
      {
        offCpu: [
          rawOffCpu({ tid: 102, comm: hostile, count: 1, totalNs: 10, maxNs: 10, kernelStack: 2 }),
          rawOffCpu({
            count: 100_000,
            totalNs: 90_000_000,
            maxNs: 5000,
            kernelStack: 0,
            userStack: 1,
            userStackEnd: 'complete',
          }),
          rawOffCpu({
            count: 1,
            totalNs: 80_000_000,
            maxNs: 80_000_000,
            kernelStack: 0,
            userStack: 2,
            userStackEnd: 'cut',
          }),
        ],
        stacks: [
          [rawFrame('futex_wait', { module: '[kernel]', buildId: null })],
          [rawFrame('a;b'), rawFrame('main', { module: '/usr/bin/main' })],
          [rawFrame(null)],
        ],
      },
    ],
  ),
  'hostile names': report(
    [rawTarget(100, hostile)],
    [
      {
        threads: [
          rawThread({
            comm: hostile,
            syscalls: [rawSyscall(hostile, 1)],
            hardIrqs: [{ name: hostile, irq: 1, count: 1, totalNs: 1, maxNs: 1 }],
            softIrqs: [{ name: hostile, vector: 1, count: 1, totalNs: 1, maxNs: 1 }],
            localIrqs: [{ name: hostile, vector: 2, count: 1, totalNs: 1, maxNs: 1 }],
            ranInstead: {
              tasks: [{ pid: 7, tid: 7, comm: hostile, count: 1, totalNs: 1, cgroup: `/${hostile}` }],
              otherTasksNs: 0,
              cpus: [{ cpu: 0, totalNs: 1 }],
              unattributedNs: 0,
            },
            ready: { ...rawThread().ready, count: 1, totalNs: 200_000_000, maxNs: 200_000_000 },
            budget: { ...emptyBudget, wallNs: 500_000_000, readyWokenNs: 200_000_000, userNs: 300_000_000 },
            wokenBy: [{ by: 'task', name: hostile, pid: 7, tid: 7, count: 1, blockedNs: 1 }],
            chains: [rawChain('ready', 1, { below: [rawChain('turn', 1, { tid: 7, name: hostile })] })],
          }),
        ],
      },
    ],
    { verdict: true },
  ),
  'losses in two samples': report(
    [parent],
    [
      { threads: [], losses: { ...noRawLosses, threadsUntracked: 3, negativeIntervals: 1 } },
      {
        window: second('interrupt'),
        losses: { ...noRawLosses, threadsUntracked: 4, recursionMisses: null },
      },
    ],
  ),
  'several processes, one without threads': report(
    [parent, child, rawTarget(300, hostile)],
    [
      {
        window: rawWindow({ by: 'exit' }),
        threads: [
          rawThread({ pid: 200, tid: 200, comm: 'child' }),
          rawThread({ pid: 100, tid: 101, comm: 'worker' }),
          rawThread({ pid: 100, tid: 100, comm: 'main' }),
        ],
      },
    ],
  ),
  'triggers and missed ones': report(
    [parent],
    [
      { threads: [], window: rawWindow({}, { trigger: firing }), startsInWindow: 2 },
      { threads: [], window: second('trigger'), losses: { ...noRawLosses, triggersMissed: 5 } },
    ],
  ),
  'no samples': report([parent], []),
};

function report(
  targets: readonly Target[],
  samples: Array<Parameters<typeof rawSample>[0]>,
  options: Partial<Options> = {},
): CapturedReport {
  const built = buildReport(
    { targets, options: { pids: targets.map(({ pid }) => pid), verdict: options.verdict === true } },
    samples.map((over, index) => {
      const sample = toSample(rawSample(over), index);
      return options.verdict === true ? { ...sample, verdict: buildVerdict(sample, 2) } : sample;
    }),
    options,
  );
  return { ...built, ...fixed };
}
