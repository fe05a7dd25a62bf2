/** Completions as a shell asks for them; bash itself is tried with what it is given. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test('bash completes with the script it is given', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kdelay-completion-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  symlinkSync(cli, join(folder, 'kdelay'));
  const script = `
    source /usr/share/bash-completion/bash_completion
    compopt() { :; }  # it works only while Tab is pressed
    source <(kdelay complete bash)
    COMP_WORDS=(kdelay capture --user-stack-by f) COMP_CWORD=3 COMP_LINE='kdelay capture --user-stack-by f'
    COMP_POINT=\${#COMP_LINE}
    $(complete -p kdelay | sed 's/.* -F \\([^ ]*\\) .*/\\1/') kdelay f --user-stack-by
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const PATH = `${folder}:${process.env['PATH']}`;
  const completed = execFileSync('bash', ['-c', script], { encoding: 'utf8', env: { ...process.env, PATH } });
  t.deepEqual(completed.trim().split('\n'), ['fp']);
});

test('a shell that is not known is refused', (t) => {
  const error = t.throws(() => execFileSync(process.execPath, [cli, 'complete', 'csh'], { stdio: 'pipe' }));
  t.is((error as { status?: number }).status, 64);
});
