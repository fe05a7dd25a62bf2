/** A server under the load of its usual benchmark: how much less it does with a tracer attached to it, or to another process. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { end, launch } from './program.js';
import { Samples, shuffled } from './samples.js';
import { type Spread, spread } from './statistics.js';
import type { Calls, Tracer } from './tracer.js';

export interface Server {
  /** The process that answers the clients, by one thread. */
  readonly pid: number;
  /** What it does for them in about so many ms. */
  work(milliseconds: number): Promise<Work>;
  end(): Promise<void>;
}

export interface Work {
  perSecond: number;
  /** Calls that it must have made for that, at least. */
  calls: Calls;
}

/** Work, and the CPU time that the server took for one of it. */
interface Slice extends Work {
  cpuNs: number;
}

export interface ServerKind {
  readonly name: string;
  readonly title: string;
  start(): Promise<Server>;
}

export interface ServerCost {
  tracer: string;
  perSecond: Spread;
  /** Per cent of what the server does without a tracer. */
  lostWork: Spread;
  /** Per cent of CPU time that the server takes longer for the same work: others on the machine disturb that less. */
  addedCpu: Spread;
  /** Work lost with the tracer attached to a process that sleeps. */
  bystanderLostWork: Spread;
  /** Per cent of calls; null: it records no single calls. */
  lost: Spread | null;
}

export interface ServerOverhead {
  kind: ServerKind;
  barePerSecond: Spread;
  costs: ServerCost[];
}

/** Clients and server keep out of each other's way, and no tracer changes where they run. */
export const serverCpu = 0;
export const clientCpu = 1;

const workMs = 250;
/**
 * How long a tracer is left alone after it was attached. Attaching keeps the kernel busy for a moment longer than the tracer
 * takes to say that it is attached, and that is no cost of being attached.
 */
const settleMs = 300;

/** Rounds of all tracers in random order; each is compared with the server's work just before and just after. */
export async function measureServer(
  kind: ServerKind,
  tracers: readonly Tracer[],
  rounds: number,
): Promise<ServerOverhead> {
  const server = await kind.start();
  const sleeper = launch('sleep', ['infinity'], { stdio: 'ignore' });
  const barePerSecond: number[] = [];
  const samples = new Samples<'perSecond' | 'lostWork' | 'addedCpu' | 'bystander' | 'lost'>();
  const slice = () => sliceOf(server);
  try {
    await once(sleeper, 'spawn');
    // Caches fill, and clients find their pace.
    await setTimeout(1000);
    let before = await slice();
    for (let round = 0; round < rounds; round++) {
      for (const tracer of shuffled(tracers)) {
        const attached = await tracer.attach(server.pid);
        await setTimeout(settleMs);
        const during = await slice();
        const lost = await attached.detach(during.calls);
        const between = await slice();
        const elsewhere = await tracer.attach(sleeper.pid ?? 0);
        await setTimeout(settleMs);
        const bystander = await slice();
        await elsewhere.detach(null);
        const after = await slice();
        barePerSecond.push(between.perSecond);
        samples.add(tracer.name, {
          perSecond: during.perSecond,
          lostWork: lostPercent(before, during, between),
          addedCpu: 100 * (during.cpuNs / ((before.cpuNs + between.cpuNs) / 2) - 1),
          bystander: lostPercent(between, bystander, after),
          lost: lost === null ? null : 100 * lost,
        });
        before = after;
      }
      process.stderr.write(`bench: ${kind.name}: round ${round + 1} of ${rounds}\n`);
    }
  } finally {
    await end(sleeper, 'SIGKILL');
    await server.end();
  }
  const costs = tracers.map(({ name }) => ({
    tracer: name,
    perSecond: samples.of(name, 'perSecond'),
    lostWork: samples.of(name, 'lostWork'),
    addedCpu: samples.of(name, 'addedCpu'),
    bystanderLostWork: samples.of(name, 'bystander'),
    lost: samples.ifAny(name, 'lost'),
  }));
  return { kind, barePerSecond: spread(barePerSecond), costs };
}

async function sliceOf(server: Server): Promise<Slice> {
  const [beginNs, begun] = [onCpuNs(server.pid), performance.now()];
  const work = await server.work(workMs);
  const elapsedMs = performance.now() - begun;
  const cpuNs = (onCpuNs(server.pid) - beginNs) / ((work.perSecond * elapsedMs) / 1000);
  return { ...work, cpuNs };
}

function onCpuNs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]);
}

function lostPercent(before: Work, during: Work, after: Work): number {
  return 100 * (1 - during.perSecond / ((before.perSecond + after.perSecond) / 2));
}
