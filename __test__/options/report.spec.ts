import test from 'ava';
import { formatReport } from '../../src/formats/index.js';
import { replaceNative } from '../../src/native/index.js';
import { effectiveOptions } from '../../src/options/effective.js';
import { buildReport } from '../../src/options/report.js';
import { toSample } from '../../src/report/sample.js';
import { CaptureSession, type SessionOptions } from '../../src/session/session.js';
import { fakeNative } from '../helpers/fake-native.js';
import { rawOffCpu, rawSample, rawTarget, rawWindow, startMonotonicNs } from '../helpers/raw.js';

async function reportOf(options: SessionOptions) {
  replaceNative(fakeNative({ sample: () => ({ offCpu: [rawOffCpu({ comm: 'sleeper' })] }) }));
  await using session = await CaptureSession.open(options);
  const sample = await session.sample(0.5);
  return buildReport(session, [sample]);
}

test.serial('a session that sums up time blocked by stack has it in its text report', async (t) => {
  const report = await reportOf({ pid: 100, offCpu: true });
  t.is(report.options.offCpu, 10);
  t.regex(formatReport(report, 'text'), /# OFF-CPU TIME:\n[\s\S]* sleeper /);
});

test.serial('the options of a session are those of its report', async (t) => {
  const { options } = await reportOf({
    pids: [100, 4242, 100],
    follow: true,
    threadCapacity: 7,
    debugLevel: 3,
    startTrigger: 'up:f',
    stopTrigger: 'ur:f',
    triggerScope: 'target',
    allowUretprobe: true,
    syscallEvents: {
      longerThanNs: 5,
      only: ['read'],
      except: ['poll'],
      limit: 9,
      stacks: true,
      bufferPages: 4,
    },
    userStackBy: 'fp',
    userStackBytes: 4096,
    who: false,
    verdict: false,
    skipUpcallStats: true,
  });
  t.like(options, {
    pid: [100, 4242],
    follow: true,
    threadCapacity: 7,
    debug: 3,
    startTrigger: 'up:f',
    stopTrigger: 'ur:f',
    triggerScope: 'target',
    allowUretprobe: true,
    syscallEvents: 5,
    syscall: ['read'],
    skipSyscallPollEvents: false,
    eventLimit: 9,
    stackTraceSize: 4096,
    bufferPageCount: 4,
    userStackBy: 'fp',
    userStackBytes: 4096,
    who: false,
    verdict: false,
    skipUpcallStats: true,
    offCpu: null,
  });
});

test.serial('a session of which nothing else is asked has the options of such a run', async (t) => {
  const { options } = await reportOf({ pid: 100 });
  t.deepEqual(options, effectiveOptions({ pid: [100] }, null));
});

const source = { targets: [rawTarget(100, 'main')], options: { pid: 100 } };
const window = (by: 'time' | 'interrupt', ns: bigint) =>
  toSample(rawSample({ window: rawWindow({ by, monotonicNs: startMonotonicNs + ns }) }), 0);

test('the length of a window is what it was, or null if nothing set one', (t) => {
  const second = window('time', 1_000_000_000n);
  t.is(buildReport(source, [second, second]).options.sampleTime, 1);
  t.is(buildReport(source, [second, window('time', 5n)]).options.sampleTime, null);
  t.is(buildReport(source, [window('interrupt', 1_000_000_000n)]).options.sampleTime, null);
  t.is(buildReport(source, []).options.sampleTime, null);
});

test('what is given goes before', (t) => {
  t.is(buildReport(source, [], { sampleInterval: 3 }).options.sampleInterval, 3);
});
