/** Programs that run until the tests have ended, in a folder of their own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Programs {
  readonly folder = mkdtempSync(join(tmpdir(), 'kdelay-programs-'));
  readonly #started: ChildProcess[] = [];

  /** With a compiler: its file. `program.EXTENSION` and `program` are in a folder of their own. */
  compile(compiler: string, extension: string, source: string, ...flags: string[]): string {
    const folder = mkdtempSync(join(this.folder, 'compiled-'));
    const program = join(folder, 'program');
    writeFileSync(`${program}.${extension}`, source);
    // Go keeps what it compiles; not beyond this.
    const env = { ...process.env, GOCACHE: join(this.folder, 'go') };
    execFileSync(compiler, [...flags, '-o', program, `${program}.${extension}`], { cwd: folder, env });
    return program;
  }

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
