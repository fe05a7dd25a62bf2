/** bash itself with the completions that it is given. Needs the package bash-completion. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cli } from './cli.js';

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
