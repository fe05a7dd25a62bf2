/** Completions as a shell asks for them. */
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { captureOptions } from '../../src/options/table.js';
import { cli } from '../root/cli.js';

const kdelay = (...args: string[]) => execFileSync(process.execPath, [cli, ...args], { encoding: 'utf8' });

/** Without descriptions and the directive at the end. */
function answers(...words: string[]): string[] {
  const lines = kdelay('complete', '--', ...words)
    .trimEnd()
    .split('\n');
  return lines.slice(0, -1).map((line) => line.split('\t')[0] ?? '');
}

test('commands are offered, one line each', (t) => {
  t.deepEqual(answers('').sort(), ['capture', 'complete', 'doctor', 'help', 'probes']);
});

test('every option of the table is offered', (t) => {
  const offered = answers('capture', '--');
  for (const { flags } of Object.values(captureOptions)) {
    const [long] = /--[\w-]+/.exec(flags) ?? [];
    t.true(long !== undefined && offered.includes(long), flags);
  }
});

test('where there are few values, these are', (t) => {
  t.deepEqual(answers('capture', '--user-stack-by', ''), ['dwarf', 'fp']);
  t.deepEqual(answers('doctor', '--format', ''), ['text', 'json']);
});

test('processes are offered by pid and by name', (t) => {
  t.true(answers('capture', '--pid', '').includes(String(process.pid)));
  t.true(answers('probes', '--name', 'no').includes('node'));
});

test('a shell that is not known is refused', (t) => {
  const error = t.throws(() => execFileSync(process.execPath, [cli, 'complete', 'csh'], { stdio: 'pipe' }));
  t.is((error as { status?: number }).status, 64);
});
