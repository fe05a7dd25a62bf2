/** What kdelay itself takes of a CPU while a thousand threads make some 100,000 switches a second, and what it needs for that. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { oracle } from './load.js';
import { end, launch } from './program.js';
import { type Spread, spread } from './statistics.js';

export interface OwnCpu {
  threads: number;
  windowSeconds: number;
  /** Of the machine, while the window was open. */
  switchesPerMs: Spread;
  /** CPU time from the start of Node.js to attached probes. */
  openMs: Spread;
  /** While the window was open, of one CPU. */
  windowPercent: Spread;
  windowNsPerSwitch: Spread;
  /** CPU time from the end of the window to the sample. */
  readMs: Spread;
  /** Events for which there was no room, and switches that the kernel did not report: is to be 0. */
  lost: Spread;
  switchesMissed: Spread;
  peakMemoryMiB: Spread;
}

/** What the program that captures prints. */
interface Measured {
  threads: number;
  windowNs: number;
  switches: number;
  openedMs: number;
  windowMs: number;
  readMs: number;
  lost: number;
  switchesMissed: number;
  peakMemoryMiB: number;
}

const program = fileURLToPath(new URL('own-cpu.mjs', import.meta.url));

const pairs = 500;
/** With which the pairs make some 100,000 switches a second: four in each round, and as many again to idle CPUs and back where these are. */
const pauseUs = 25_000;
const windowSeconds = 10;
/** It is ended before. */
const loadMs = 3_600_000;

export async function measureOwnCpu(rounds: number): Promise<OwnCpu> {
  const load = await startLoad();
  const measured: Measured[] = [];
  try {
    for (let round = 0; round < rounds; round++) measured.push(await capture(load.pid));
  } finally {
    await load.end();
  }
  const of = (figure: (one: Measured) => number) => spread(measured.map(figure));
  return {
    threads: 2 * pairs,
    windowSeconds,
    switchesPerMs: of(({ switches, windowNs }) => (switches / windowNs) * 1e6),
    openMs: of(({ openedMs }) => openedMs),
    windowPercent: of(({ windowMs, windowNs }) => (100 * windowMs * 1e6) / windowNs),
    windowNsPerSwitch: of(({ windowMs, switches }) => (windowMs * 1e6) / switches),
    readMs: of(({ readMs }) => readMs),
    lost: of(({ lost }) => lost),
    switchesMissed: of(({ switchesMissed }) => switchesMissed),
    peakMemoryMiB: of(({ peakMemoryMiB }) => peakMemoryMiB),
  };
}

async function startLoad(): Promise<{ pid: number; end(): Promise<void> }> {
  const args = ['pairs', String(pairs), String(loadMs), '--pause', String(pauseUs)];
  const child = launch(oracle, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout === null || child.pid === undefined) throw new Error(`${oracle} did not start`);
  await once(createInterface({ input: child.stdout }), 'line');
  child.stdin?.write('go\n');
  return { pid: child.pid, end: () => end(child, 'SIGKILL') };
}

/** By a program of its own, so that nothing else is in its times. */
async function capture(pid: number): Promise<Measured> {
  const args = [program, String(pid), String(windowSeconds * 1000)];
  const child = launch(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  const measured = JSON.parse(printed) as Measured;
  if (measured.threads < 2 * pairs) throw new Error(`kdelay saw ${measured.threads} threads`);
  return measured;
}
