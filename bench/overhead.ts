/** What a tracer costs an operation: of the process that it watches, and of another one. */
import { type Body, Load, type Slice } from './load.js';
import { type Spread, spread } from './statistics.js';
import type { Tracer } from './tracers.js';

export interface Cost {
  tracer: string;
  /** Ns that an operation of the watched process takes longer. */
  addedNs: Spread;
  /** Its time as a multiple of the time without the tracer. */
  ratio: Spread;
  bystanderAddedNs: Spread;
  /** Per cent of recorded calls, or of their stacks; null: none are recorded. */
  lost: Spread | null;
}

export interface Overhead {
  body: Body;
  /** Ns of an operation without any tracer. */
  bareNs: Spread;
  costs: Cost[];
}

const sliceMs = 100;
/** Of futexpp an operation is a round trip: two hand-overs. */
const handoversPerOperation: Record<Body, number> = { getppid: 1, read0: 1, futexpp: 2 };

interface Pair {
  watched: Slice;
  bystander: Slice;
}

/**
 * Rounds of all tracers in random order, each between two slices without any: the machine's speed drifts, so only
 * neighbours are compared. The watched process has CPU 0 and the bystander CPU 1, one at a time.
 */
export async function measureOverhead(
  body: Body,
  tracers: readonly Tracer[],
  rounds: number,
): Promise<Overhead> {
  const watched = await Load.start(body, 0);
  const bystander = await Load.start(body, 1);
  const slices = async (): Promise<Pair> => ({
    watched: await watched.slice(sliceMs),
    bystander: await bystander.slice(sliceMs),
  });
  const perOperation = handoversPerOperation[body];
  const bareNs: number[] = [];
  const samples = new Map(
    tracers.map(({ name }) => [
      name,
      { added: [], ratio: [], bystander: [], lost: [] } as Record<string, number[]>,
    ]),
  );
  try {
    await slices();
    for (let round = 0; round < rounds; round++) {
      for (const tracer of shuffled(tracers)) {
        const before = await slices();
        const attached = await tracer.attach(watched.pid);
        const during = await slices();
        const lost = await attached.detach([during.watched]);
        const after = await slices();
        const bare = (before.watched.p10Ns + after.watched.p10Ns) / 2;
        const bareBystander = (before.bystander.p10Ns + after.bystander.p10Ns) / 2;
        bareNs.push(bare / perOperation);
        const of = samples.get(tracer.name);
        of?.['added']?.push((during.watched.p10Ns - bare) / perOperation);
        of?.['ratio']?.push(during.watched.p10Ns / bare);
        if (lost !== null) of?.['lost']?.push(100 * lost);
        of?.['bystander']?.push((during.bystander.p10Ns - bareBystander) / perOperation);
      }
      process.stderr.write(`bench: ${body}: round ${round + 1} of ${rounds}\n`);
    }
  } finally {
    watched.end();
    bystander.end();
  }
  const costs = tracers.map(({ name }) => {
    const of = samples.get(name);
    return {
      tracer: name,
      addedNs: spread(of?.['added'] ?? []),
      ratio: spread(of?.['ratio'] ?? []),
      bystanderAddedNs: spread(of?.['bystander'] ?? []),
      lost: of?.['lost']?.length ? spread(of['lost']) : null,
    };
  });
  return { body, bareNs: spread(bareNs), costs };
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  const taken: T[] = [];
  while (left.length > 0) taken.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return taken;
}
