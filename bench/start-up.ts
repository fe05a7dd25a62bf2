/** How long until the probes are attached, and how much memory it takes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Load } from './load.js';
import { type Spread, spread } from './statistics.js';
import { type Started, startBpftrace, started, startFloor, startSyscount } from './tracers.js';

export interface StartUp {
  tracer: string;
  /** From the start of the program to its word that it is attached. */
  attachedMs: Spread;
  /** For kdelay, from the loaded module to attached probes. */
  openMs: Spread | null;
  /** Of the program, by then. */
  peakMemoryMiB: Spread;
}

const opener = fileURLToPath(new URL('open.mjs', import.meta.url));

const programs: ReadonlyArray<readonly [name: string, start: (pid: number) => Promise<Started>]> = [
  ['floor', (pid) => startFloor('floor', pid)],
  ['kdelay', (pid) => started(process.execPath, [opener, String(pid)], /^attached/)],
  ['syscount', startSyscount],
  ['bpftrace', startBpftrace],
];

export async function measureStartUp(rounds: number): Promise<StartUp[]> {
  const load = await Load.start('getppid', 0);
  const results = programs.map(([tracer]) => ({
    tracer,
    attached: [] as number[],
    open: [] as number[],
    memory: [] as number[],
  }));
  try {
    // The first round fills the page cache and is not counted.
    for (let round = 0; round <= rounds; round++) {
      for (const [index, [, start]] of programs.entries()) {
        const begun = performance.now();
        const program = await start(load.pid);
        const attachedMs = performance.now() - begun;
        const memory = peakMemoryMiB(program.pid);
        await program.detach([]);
        const result = results[index];
        if (round === 0 || result === undefined) continue;
        result.attached.push(attachedMs);
        result.memory.push(memory);
        const openMs = Number(/^attached ([\d.]+)$/.exec(program.word)?.[1]);
        if (Number.isFinite(openMs)) result.open.push(openMs);
      }
    }
  } finally {
    load.end();
  }
  return results.map(({ tracer, attached, open, memory }) => ({
    tracer,
    attachedMs: spread(attached),
    openMs: open.length === 0 ? null : spread(open),
    peakMemoryMiB: spread(memory),
  }));
}

function peakMemoryMiB(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no VmHWM`);
  return Number(kib) / 1024;
}
