/** All figures, on stdout; with --write also into README.md. Run by scripts/bench, which brings what it needs. */
import { parseArgs } from 'node:util';
import { bodies } from './load.js';
import { measureOverhead, type Overhead } from './overhead.js';
import { measureRate } from './rate.js';
import { measureStartUp } from './start-up.js';
import { markdown, writeInto } from './table.js';
import { tracers } from './tracers.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', multiple: true },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new RangeError(`--rounds ${values.rounds}: give a whole number`);
const chosen = tracers.filter(({ name }) => values.only === undefined || values.only.includes(name));

const overheads: Overhead[] = [];
for (const body of bodies) overheads.push(await measureOverhead(body, chosen, rounds));
const rate = await measureRate(rounds);
const figures = markdown(overheads, rate, await measureStartUp(rounds), rounds);
process.stdout.write(`${figures}\n`);
if (values.write) writeInto(new URL('README.md', import.meta.url), figures);
