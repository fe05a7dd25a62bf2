/**
 * Counts in a guest whose clock is its instructions (`scripts/in-kernel -i`), and writes the counts and the kernel's version
 * to the file that is named. Nothing that ran in between is in them: the median batch of a slice is what nothing disturbed.
 */
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { type Body, bodyNamed, Load, type Slice } from '../load.js';
import { launch } from '../program.js';
import { tracers } from '../tracers.js';
import type { Added, Counts, LoadCounts, LoadName } from './counts.js';
import { difference, instructions } from './instructions.js';

const compared = ['empty', 'emptyall', 'floor', 'original', 'originalall', 'kdelay', 'without who'];

/**
 * How many operations a batch has: few enough that no timer's tick falls into most of them. Threads of the real-time
 * class: one that is woken does not take the CPU from the one that wakes it, so that each hand-over is one switch and two
 * calls. Others do so now and then, and save calls, in another share of the hand-overs in each run.
 */
const batches = { getppid: 32, futexpp: 4 };

const sliceMs = 20;
const slicesOfEach = 3;

function counting(name: LoadName): Body {
  const body = bodyNamed(name);
  return { ...body, command: ['chrt', '--fifo', '1', ...body.command, '--batch', String(batches[name])] };
}

async function count(name: LoadName): Promise<LoadCounts> {
  const body = counting(name);
  const watched = await Load.start(body, 0);
  const bystander = await Load.start(body, 0);
  const both = async (what: string): Promise<Added> => ({
    watched: await least(`${name}, ${what}, watched`, watched),
    bystander: await least(`${name}, ${what}, bystander`, bystander),
  });
  try {
    const bare = await both('nothing attached');
    const added: LoadCounts['added'] = {};
    for (const tracer of tracers.filter((tracer) => compared.includes(tracer.name))) {
      await tracer.verify?.(watched.pid, async () => (await watched.slice(sliceMs)).syscalls);
      const attached = await tracer.attach(watched.pid);
      const during = await both(tracer.name);
      // Throws unless it counted what the watched process did.
      await attached.detach((await watched.slice(sliceMs)).syscalls);
      added[tracer.name] = {
        watched: difference(during.watched, bare.watched),
        bystander: difference(during.bystander, bare.bystander),
      };
      process.stderr.write(`bench-count: ${name}: ${tracer.name}\n`);
    }
    const after = await both('nothing attached any more');
    if (after.watched !== bare.watched || after.bystander !== bare.bystander)
      throw new Error(`${name}, bare: ${JSON.stringify(bare)} before and ${JSON.stringify(after)} after`);
    return { bare: Math.round(bare.watched), added };
  } finally {
    watched.end();
    bystander.end();
  }
}

/** Of some slices: what the kernel does on the side, say until a grace period has ended, may last for one. */
async function least(what: string, load: Load): Promise<number> {
  const found: Slice[] = [];
  for (let slice = 0; slice < slicesOfEach; slice++) found.push(await load.slice(sliceMs));
  return instructions(what, found);
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new RangeError('name the file that the counts are written to');
// Somebody always wants the CPU: whether a second thread does, or the CPU comes from idling, is in the kernel's own work.
launch('chrt', ['--idle', '0', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });
const counts: Counts = { getppid: await count('getppid'), futexpp: await count('futexpp') };
writeFileSync(path, JSON.stringify({ kernel: release(), counts }));
process.exit();
