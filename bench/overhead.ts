/** What a tracer costs an operation: of the process that it watches, and of another one. */
import { type Body, Load, type Slice } from './load.js';
import { Samples, shuffled } from './samples.js';
import { type Spread, spread } from './statistics.js';
import type { Tracer } from './tracer.js';

export interface Cost {
  tracer: string;
  /** Ns that an operation of the watched process takes longer. */
  addedNs: Spread;
  /** Its time as a multiple of the time without the tracer. */
  ratio: Spread;
  bystanderAddedNs: Spread;
  bystanderRatio: Spread;
  /** Per cent of calls, or of their stacks; null: it records no single calls. */
  lost: Spread | null;
}

export interface Overhead {
  body: Body;
  /** Ns of an operation without any tracer. */
  bareNs: Spread;
  costs: Cost[];
  relations: Relation[];
}

/** What kdelay adds, as a multiple of what another one adds in the same round. */
export interface Relation {
  to: string;
  isBystander: boolean;
  multiple: Spread;
}

const compared = [
  { to: 'without who', figure: 'added' },
  { to: 'floor', figure: 'added' },
  { to: 'original', figure: 'added' },
  { to: 'originalall', figure: 'added' },
  { to: 'empty', figure: 'bystander' },
  { to: 'emptyall', figure: 'bystander' },
] as const;

const sliceMs = 100;

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
  const bareNs: number[] = [];
  const samples = new Samples<'added' | 'ratio' | 'bystander' | 'bystanderRatio' | 'lost'>();
  try {
    await slices();
    let before = await slices();
    for (let round = 0; round < rounds; round++) {
      for (const tracer of shuffled(tracers)) {
        const attached = await tracer.attach(watched.pid);
        const during = await slices();
        const lost = await attached.detach(during.watched.syscalls);
        const after = await slices();
        const bare = (before.watched.p10Ns + after.watched.p10Ns) / 2;
        const bareBystander = (before.bystander.p10Ns + after.bystander.p10Ns) / 2;
        before = after;
        bareNs.push(bare);
        samples.add(tracer.name, {
          added: during.watched.p10Ns - bare,
          ratio: during.watched.p10Ns / bare,
          bystander: during.bystander.p10Ns - bareBystander,
          bystanderRatio: during.bystander.p10Ns / bareBystander,
          lost: lost === null ? null : 100 * lost,
        });
      }
      process.stderr.write(`bench: ${body.name}: round ${round + 1} of ${rounds}\n`);
    }
  } finally {
    watched.end();
    bystander.end();
  }
  const costs = tracers.map(({ name }) => ({
    tracer: name,
    addedNs: samples.of(name, 'added'),
    ratio: samples.of(name, 'ratio'),
    bystanderAddedNs: samples.of(name, 'bystander'),
    bystanderRatio: samples.of(name, 'bystanderRatio'),
    lost: samples.ifAny(name, 'lost'),
  }));
  const relations = compared.flatMap(({ to, figure }) => {
    const multiple = samples.multiple('kdelay', to, figure);
    return multiple === null ? [] : [{ to, isBystander: figure === 'bystander', multiple }];
  });
  return { body, bareNs: spread(bareNs), costs, relations };
}
