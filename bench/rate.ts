/** How many calls a second are recorded without loss, by two processes that do nothing else, and what reading them takes. */
import { readdirSync, readFileSync } from 'node:fs';
import { CaptureSession } from '../dist/index.js';
import { getppid, Load } from './load.js';
import { type Spread, spread } from './statistics.js';

export interface Rate {
  /** Million calls a second, all recorded or counted as dropped. */
  millionsPerSecond: Spread;
  droppedPercent: Spread;
  /** Of one CPU, of the thread that empties the ring buffer. */
  readerPercent: Spread;
}

const sliceMs = 500;

export async function measureRate(rounds: number): Promise<Rate> {
  const loads = [await Load.start(getppid, 0), await Load.start(getppid, 1)];
  const [rate, dropped, reader]: [number[], number[], number[]] = [[], [], []];
  try {
    for (let round = 0; round < rounds; round++) {
      const others = new Set(readers());
      const session = await CaptureSession.open({
        pids: loads.map(({ pid }) => pid),
        syscallEvents: { limit: 1000 },
      });
      session.start();
      await Promise.all(loads.map((load) => load.slice(sliceMs)));
      session.stop();
      const sample = await session.read();
      const readerNs = timeNs(readers().filter((tid) => !others.has(tid)));
      await session.close();
      const { eventsDropped, eventsOverLimit } = sample.losses;
      const calls = sample.syscallEvents.length + eventsOverLimit + eventsDropped;
      rate.push(calls / sample.windowNs / 1e-3);
      dropped.push((100 * eventsDropped) / calls);
      reader.push((100 * readerNs) / sample.windowNs);
    }
  } finally {
    for (const load of loads) load.end();
  }
  return {
    millionsPerSecond: spread(rate),
    droppedPercent: spread(dropped),
    readerPercent: spread(reader),
  };
}

const tasks = '/proc/self/task';

/** Threads of this process that empty ring buffers: that of a session which was closed may not have ended yet. */
function readers(): string[] {
  return readdirSync(tasks).filter(
    (tid) => readFileSync(`${tasks}/${tid}/comm`, 'utf8').trim() === 'kdelay-events',
  );
}

/** On a CPU, as the scheduler counts it. */
function timeNs(tids: readonly string[]): number {
  const times = tids.map((tid) => Number(readFileSync(`${tasks}/${tid}/schedstat`, 'utf8').split(' ')[0]));
  return times.reduce((sum, time) => sum + time, 0);
}
