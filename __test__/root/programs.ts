/** Programs that run until the tests have ended, in a folder of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Programs {
  readonly folder = mkdtempSync(join(tmpdir(), 'kdelay-programs-'));
  readonly #started: ChildProcess[] = [];

  /** Resolves with its pid. */
  async start(command: string, ...args: string[]): Promise<number> {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#started.push(child);
    await once(child, 'spawn');
    return child.pid as number;
  }

  end(): void {
    for (const child of this.#started) child.kill();
    rmSync(this.folder, { recursive: true });
  }
}
