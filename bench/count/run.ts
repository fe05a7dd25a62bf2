/**
 * Prints what bench/count/measure.ts has counted; with --write, commits it to README.md and counts.json, with --check, compares
 * it with these. Run by scripts/bench-count, which names the file of the counts and the emulator.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writeInto } from '../marked.js';
import { check } from './check.js';
import { type Counted, type Counts, parseCounted, serialized } from './counts.js';
import { markdown } from './table.js';

const committed = new URL('counts.json', import.meta.url);
const { values, positionals } = parseArgs({
  options: { write: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [path, emulator] = positionals;
if (path === undefined || emulator === undefined) throw new RangeError('run scripts/bench-count');

const { kernel, counts } = JSON.parse(readFileSync(path, 'utf8')) as { kernel: string; counts: Counts };
const counted: Counted = parseCounted(serialized({ machine: { kernel, emulator }, counts }));
const table = markdown(counted);
process.stdout.write(`${table}\n`);
if (values.check) {
  const { failed, lines } = check(parseCounted(readFileSync(committed, 'utf8')), counted);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  if (failed) process.exitCode = 1;
}
if (values.write) {
  writeFileSync(committed, serialized(counted));
  writeInto(new URL('../README.md', import.meta.url), 'counts', table);
}
