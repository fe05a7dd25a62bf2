/** kdelay as another user, who has some of root's capabilities and no others. */
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../src/index.js';
import { type Ran, run } from './cli.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

export const nobody = 65534;

/** The words before a command that run it as this user with these capabilities, named as setpriv does. */
export function asNobody(...capabilities: string[]): string[] {
  const set = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  return [
    'setpriv',
    ...[`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'],
    ...[`--inh-caps=${set}`, `--ambient-caps=${set}`, `--bounding-set=${set}`],
    '--',
  ];
}

/** kdelay and Node.js where that user can read them, wherever this clone and Node.js are. */
export class PublicCopy {
  readonly folder = mkdtempSync(join(tmpdir(), 'kdelay-public-'));
  readonly node = join(this.folder, 'node');
  readonly cli = join(this.folder, 'kdelay/dist/cli.js');

  constructor() {
    chmodSync(this.folder, 0o755);
    copyFileSync(process.execPath, this.node);
    mkdirSync(join(this.folder, 'kdelay'));
    for (const part of ['dist', 'native', 'package.json'])
      cpSync(join(root, part), join(this.folder, 'kdelay', part), { recursive: true });
  }

  kdelay(capabilities: readonly string[], ...args: string[]): Ran {
    const [command = '', ...words] = [...asNobody(...capabilities), this.node, this.cli, ...args];
    return run(command, words);
  }

  /** In a mount namespace of its own, after these lines of shell script. */
  kdelayAfter(script: string, capabilities: readonly string[], ...args: string[]): Ran {
    const words = [...asNobody(...capabilities), this.node, this.cli, ...args];
    return run('unshare', ['--mount', 'sh', '-c', `set -e\n${script}\nexec "$@"`, 'sh', ...words]);
  }

  /** A short capture that must succeed, and what was said beside it. */
  capture(capabilities: readonly string[], pid: number, ...options: string[]): Report & { stderr: string } {
    const args = ['capture', '-p', String(pid), '-f', 'json', '--sample-time', '0.25', ...options];
    const { status, stdout, stderr } = this.kdelay(capabilities, ...args);
    if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
    return { ...(JSON.parse(stdout) as Report), stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
