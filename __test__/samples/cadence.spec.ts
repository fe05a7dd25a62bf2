import test from 'ava';
import type { CapturedSample } from '../../src/report/events.js';
import {
  type CadenceEnd,
  type CadenceHooks,
  type CadencePlan,
  takeSamples,
} from '../../src/samples/cadence.js';
import { FakeClock, FakeSource } from '../helpers/fake-source.js';

const plan = (over: Partial<CadencePlan> = {}): CadencePlan => ({
  sampleCount: 1,
  sampleInterval: 0,
  sampleTime: 0.5,
  triggerDelta: 0,
  triggerTimeout: null,
  ...over,
});

interface Taken {
  samples: CapturedSample[];
  skippedNs: number[];
  end: CadenceEnd;
}

async function take(
  source: FakeSource,
  over: Partial<CadencePlan>,
  hooks: Partial<CadenceHooks> = {},
): Promise<Taken> {
  const generator = takeSamples(source, plan(over), { signal: new AbortController().signal, ...hooks });
  const samples: CapturedSample[] = [];
  const skippedNs: number[] = [];
  for (;;) {
    const next = await generator.next();
    if (next.done === true) return { samples, skippedNs, end: next.value };
    if ('skipped' in next.value) skippedNs.push(next.value.skipped.windowNs);
    else samples.push(next.value.sample);
  }
}

test('a window is opened, waited for and read, as often as asked', async (t) => {
  const source = new FakeSource();
  const { samples, end } = await take(source, { sampleCount: 3 });
  t.deepEqual(source.log, ['start 0.5', 'read', 'start 0.5', 'read', 'start 0.5', 'read']);
  t.deepEqual(
    samples.map(({ index }) => index),
    [0, 1, 2],
  );
  t.is(end, 'complete');
});

test('without a length the window is open-ended', async (t) => {
  const source = new FakeSource((self) => self.end('exit'));
  const { end } = await take(source, { sampleTime: null });
  t.deepEqual(source.log, ['start null', 'read']);
  t.is(end, 'exit');
});

test('the interval lies between samples, not before the first or after the last', async (t) => {
  const clock = new FakeClock();
  await take(new FakeSource(), { sampleCount: 3, sampleInterval: 0.25 }, { clock });
  t.deepEqual(clock.slept, [250, 250]);
});

test('an interval longer than any timer is slept in parts that add up', async (t) => {
  const clock = new FakeClock();
  await take(new FakeSource(), { sampleCount: 2, sampleInterval: 2_592_000 }, { clock });
  t.is(clock.nowMs, 2_592_000_000);
  t.true(clock.slept.every((milliseconds) => milliseconds <= 1000));
});

test('Ctrl-C ends the open window, which is still read', async (t) => {
  const controller = new AbortController();
  const source = new FakeSource((self, index) => {
    if (index === 0) self.end('time');
  });
  const onOpen = (index: number) => {
    if (index === 1) setImmediate(() => controller.abort());
  };
  const { samples, end } = await take(source, { sampleCount: 5 }, { signal: controller.signal, onOpen });
  t.deepEqual(source.log, ['start 0.5', 'read', 'start 0.5', 'stop', 'read']);
  t.is(samples[1]?.stop.by, 'interrupt');
  t.is(end, 'signal');
});

test('Ctrl-C during the interval ends the run without another window', async (t) => {
  const controller = new AbortController();
  const clock = new FakeClock();
  clock.onSleep = () => controller.abort();
  const source = new FakeSource();
  const { samples, end } = await take(
    source,
    { sampleCount: 3, sampleInterval: 60 },
    { clock, signal: controller.signal },
  );
  t.is(samples.length, 1);
  t.is(end, 'signal');
  t.deepEqual(clock.slept, [1000]);
});

test('Ctrl-C before the first window takes none', async (t) => {
  const source = new FakeSource();
  const { samples, end } = await take(source, {}, { signal: AbortSignal.abort() });
  t.is(samples.length, 0);
  t.is(end, 'signal');
  t.deepEqual(source.log, []);
});

/** Two windows that triggers closed; Ctrl-C comes while the first is read or dropped. */
function closedTwice(controller: AbortController, startsByTrigger: boolean): FakeSource {
  const source = new FakeSource((self, index) => {
    if (index < 2) self.end('trigger', 1000);
  });
  source.windowsAhead = 4;
  source.startsByTrigger = startsByTrigger;
  const { read, discard } = source;
  source.read = () => {
    controller.abort();
    return read.call(source);
  };
  source.discard = () => {
    controller.abort();
    return discard.call(source);
  };
  return source;
}

test('Ctrl-C while a sample is read: windows that are closed already are read, too', async (t) => {
  const controller = new AbortController();
  const source = closedTwice(controller, true);
  const { samples, end } = await take(source, { sampleCount: 9 }, { signal: controller.signal });
  t.deepEqual(
    samples.map(({ stop }) => stop.by),
    ['trigger', 'trigger'],
  );
  t.is(end, 'signal');
});

test('Ctrl-C while a sample is read: the window that is open is closed, and read as well', async (t) => {
  const controller = new AbortController();
  const source = closedTwice(controller, false);
  const { samples, end } = await take(source, { sampleCount: 9 }, { signal: controller.signal });
  t.deepEqual(
    samples.map(({ stop }) => stop.by),
    ['trigger', 'trigger', 'interrupt'],
  );
  t.is(end, 'signal');
});

test('Ctrl-C while a short window is dropped: the next one is looked at all the same', async (t) => {
  const controller = new AbortController();
  const source = closedTwice(controller, true);
  const plan = { sampleCount: 9, triggerDelta: 1001 };
  const { skippedNs, end } = await take(source, plan, { signal: controller.signal });
  t.deepEqual(skippedNs, [1000, 1000]);
  t.is(end, 'signal');
});

test('Ctrl-C after the last window changes nothing', async (t) => {
  const controller = new AbortController();
  const source = new FakeSource();
  const { end } = await take(source, {}, { signal: controller.signal, onClosed: () => controller.abort() });
  t.is(end, 'complete');
  t.deepEqual(source.log, ['start 0.5', 'read']);
});

test('the end of the targets ends the run after that sample', async (t) => {
  const source = new FakeSource((self, index) => self.end(index === 1 ? 'exit' : 'time'));
  const { samples, end } = await take(source, { sampleCount: 5 });
  t.deepEqual(
    samples.map(({ stop }) => stop.by),
    ['time', 'exit'],
  );
  t.is(end, 'exit');
});

test('targets that end during the interval end the run then', async (t) => {
  const source = new FakeSource();
  const clock = new FakeClock();
  clock.onSleep = () => {
    source.targetsAlive = false;
  };
  const { samples, end } = await take(source, { sampleCount: 3, sampleInterval: 60 }, { clock });
  t.is(samples.length, 1);
  t.is(end, 'exit');
  t.deepEqual(clock.slept, [1000]);
});

test('opening and closing are told in turn', async (t) => {
  const told: string[] = [];
  const hooks = {
    onOpen: (index: number) => told.push(`open ${index}`),
    onClosed: () => told.push('closed'),
  };
  await take(new FakeSource(), { sampleCount: 2 }, hooks);
  t.deepEqual(told, ['open 0', 'closed', 'open 1', 'closed']);
});

test('a window’s end is awaited only when what is to happen in it has begun', async (t) => {
  const source = new FakeSource();
  const told: string[] = [];
  const { wait } = source;
  source.wait = (options) => {
    told.push('wait');
    return wait.call(source, options);
  };
  const onOpen = async () => {
    told.push(...source.log);
    await new Promise((resolve) => setImmediate(resolve));
    told.push('begun');
  };
  await take(source, {}, { onOpen });
  t.deepEqual(told, ['start 0.5', 'begun', 'wait']);
});

test('an error while a window is open still closes the progress', async (t) => {
  const told: string[] = [];
  const hooks = {
    onOpen: () => {
      throw new Error('no such command');
    },
    onClosed: () => told.push('closed'),
  };
  await t.throwsAsync(take(new FakeSource(), {}, hooks), { message: 'no such command' });
  t.deepEqual(told, ['closed']);
});

test('a real pause is cut short by Ctrl-C', async (t) => {
  const controller = new AbortController();
  const source = new FakeSource();
  const hooks = { signal: controller.signal, onClosed: () => setTimeout(() => controller.abort(), 20) };
  const beganMs = performance.now();
  const { end } = await take(source, { sampleCount: 2, sampleInterval: 3600 }, hooks);
  t.is(end, 'signal');
  t.true(performance.now() - beganMs < 60_000);
});

test('windows are armed ahead, as many as there may be, and no more than will be read', async (t) => {
  const source = new FakeSource((self) => self.end('trigger'));
  source.windowsAhead = 2;
  const { samples } = await take(source, { sampleCount: 3, sampleTime: null });
  t.deepEqual(source.log, ['start null', 'start null', 'read', 'start null', 'read', 'read']);
  t.deepEqual(
    samples.map(({ index }) => index),
    [0, 1, 2],
  );
});

test('with a pause between samples nothing is armed in the pause', async (t) => {
  const source = new FakeSource((self) => self.end('trigger'));
  source.windowsAhead = 8;
  await take(source, { sampleCount: 2, sampleInterval: 1 }, { clock: new FakeClock() });
  t.deepEqual(source.log, ['start 0.5', 'read', 'start 0.5', 'read']);
});

test('a window shorter than the delta is dropped, told, and does not count', async (t) => {
  const lengths = [100, 999, 1000, 5, 2000];
  const source = new FakeSource((self, index) => self.end('trigger', lengths[index] ?? 0));
  const { samples, skippedNs, end } = await take(source, {
    sampleCount: 2,
    sampleTime: null,
    triggerDelta: 1000,
  });
  t.deepEqual(skippedNs, [100, 999, 5]);
  t.deepEqual(
    samples.map(({ index, windowNs, samplesSkipped }) => [index, windowNs, samplesSkipped]),
    [
      [0, 1000, 2],
      [1, 2000, 1],
    ],
  );
  t.is(end, 'complete');
});

test('a window whose call was left is dropped, told, and does not count, whatever the delta', async (t) => {
  const ends = ['left', 'trigger', 'left', 'trigger', 'left', 'trigger'] as const;
  const lengths = [5000, 2000, 10, 10, 5000, 3000];
  const source = new FakeSource((self, index) => self.end(ends[index] ?? 'exit', lengths[index] ?? 0));
  const { samples, skippedNs, end } = await take(source, {
    sampleCount: 2,
    sampleTime: null,
    triggerDelta: 1000,
  });
  t.deepEqual(skippedNs, [5000, 10, 10, 5000]);
  t.deepEqual(
    samples.map(({ index, windowNs, samplesSkipped, callsLeft }) => [
      index,
      windowNs,
      samplesSkipped,
      callsLeft,
    ]),
    [
      [0, 2000, 0, 1],
      [1, 3000, 1, 2],
    ],
  );
  t.is(end, 'complete');
});

test('what something else than a trigger cut short is no short window', async (t) => {
  const source = new FakeSource((self) => self.end('exit', 5));
  const { samples, end } = await take(source, { sampleTime: null, triggerDelta: 1000 });
  t.is(samples.length, 1);
  t.is(end, 'exit');
});

for (const [reason, expected] of [
  ['timeout', 'start-timeout'],
  ['exit', 'exit'],
  ['interrupt', 'signal'],
] as const) {
  test(`a start trigger that never fires ends the run: ${reason}`, async (t) => {
    const source = new FakeSource((self) => self.end(reason, null));
    const { samples, end } = await take(source, { sampleCount: 3, triggerTimeout: 2 });
    t.deepEqual(source.log, ['start 0.5', 'wait 2']);
    t.is(samples.length, 0);
    t.is(end, expected);
  });
}

test('a stop trigger that never fires ends the run, and its window is read', async (t) => {
  const source = new FakeSource((self) => self.end('timeout'));
  const { samples, end } = await take(source, { sampleCount: 3, sampleTime: null, triggerTimeout: 2 });
  t.is(samples[0]?.stop.by, 'timeout');
  t.is(end, 'stop-timeout');
});

test('a signal while a sample is read has that end soon, and those of windows that have closed by then', async (t) => {
  const abort = new AbortController();
  const source = new FakeSource((self) => self.end('trigger'));
  source.windowsAhead = 2;
  const read = source.read.bind(source);
  source.read = async () => {
    const sample = await read();
    abort.abort();
    return sample;
  };
  const { samples, end } = await take(source, { sampleCount: 3, sampleTime: null }, { signal: abort.signal });
  t.deepEqual(source.log, ['start null', 'start null', 'read', 'hurry', 'stop', 'hurry', 'read']);
  t.is(samples.length, 2);
  t.is(end, 'signal');
});

test('a signal that has ended a window leaves its sample the time that names take', async (t) => {
  const abort = new AbortController();
  const source = new FakeSource(() => setImmediate(() => abort.abort()));
  const { samples } = await take(source, { sampleTime: null }, { signal: abort.signal });
  t.deepEqual(source.log, ['start null', 'stop', 'read']);
  t.is(samples.length, 1);
});
