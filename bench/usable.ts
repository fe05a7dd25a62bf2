/** Tries every tracer once before anything is measured. */
import { type Body, Load } from './load.js';
import type { Tracer } from './tracer.js';

export interface LeftOut {
  tracer: string;
  why: string;
}

export interface Usable {
  tracers: Tracer[];
  leftOut: LeftOut[];
}

const sliceMs = 50;

/** Throws if one of ours does not work; the tools of others that do not are left out. */
export async function usable(tracers: readonly Tracer[], body: Body): Promise<Usable> {
  const load = await Load.start(body, 0);
  const work = async () => (await load.slice(sliceMs)).syscalls;
  const found: Usable = { tracers: [], leftOut: [] };
  try {
    for (const tracer of tracers) {
      try {
        const attached = await tracer.attach(load.pid);
        await attached.detach(await work());
        await tracer.verify?.(load.pid, work);
        found.tracers.push(tracer);
      } catch (error) {
        if (!tracer.foreign) throw error;
        const why = error instanceof Error ? error.message : String(error);
        process.stderr.write(`bench: ${tracer.name} is left out: ${why}\n`);
        found.leftOut.push({ tracer: tracer.name, why });
      }
    }
  } finally {
    load.end();
  }
  return found;
}
