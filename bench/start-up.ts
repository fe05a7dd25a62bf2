/** How long until the probes are attached, and how much memory it takes. */
import { readFileSync } from 'node:fs';
import { getppid, Load } from './load.js';
import { Samples } from './samples.js';
import type { Spread } from './statistics.js';
import type { Tracer } from './tracer.js';

export interface StartUp {
  tracer: string;
  /** From the start of the program until it was attached. */
  attachedMs: Spread;
  /** For kdelay, from the loaded module to attached probes. */
  openMs: Spread | null;
  /** Of the program, by then. */
  peakMemoryMiB: Spread;
}

const sliceMs = 50;

/** Of those tracers that are programs of their own. */
export async function measureStartUp(tracers: readonly Tracer[], rounds: number): Promise<StartUp[]> {
  const programs = tracers.flatMap(({ name, start }) => (start === undefined ? [] : [{ name, start }]));
  const load = await Load.start(getppid, 0);
  const samples = new Samples<'attached' | 'open' | 'memory'>();
  try {
    // The first round fills the page cache and is not counted.
    for (let round = 0; round <= rounds; round++) {
      for (const { name, start } of programs) {
        const { pid, printed, attachedMs, detach } = await start(load.pid);
        const memory = peakMemoryMiB(pid);
        // So that it is known to have been attached; bpftrace also misses a signal that comes with its first word.
        const { syscalls } = await load.slice(sliceMs);
        await detach(syscalls);
        if (round === 0) continue;
        const openMs = /^attached ([\d.]+)$/m.exec(printed)?.[1];
        samples.add(name, {
          attached: attachedMs,
          memory,
          open: openMs === undefined ? null : Number(openMs),
        });
      }
    }
  } finally {
    load.end();
  }
  return programs.map(({ name }) => ({
    tracer: name,
    attachedMs: samples.of(name, 'attached'),
    openMs: samples.ifAny(name, 'open'),
    peakMemoryMiB: samples.of(name, 'memory'),
  }));
}

function peakMemoryMiB(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no VmHWM`);
  return Number(kib) / 1024;
}
