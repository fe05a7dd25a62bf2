/** A workload with known truth (crates/workload), led through its protocol: ready, go, truth, end. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const program = fileURLToPath(new URL('../../target/release/kdelay-oracle', import.meta.url));

export class Oracle {
  readonly pid: number;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>, pid: number) {
    this.child = child;
    this.lines = lines;
    this.pid = pid;
  }

  /** Started and set up, and waiting for `go`. */
  static async start(...args: string[]): Promise<Oracle> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] as unknown as 'pipe' });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const ready = await lines.next();
    if (ready.done) throw new Error(`kdelay-oracle ${args.join(' ')} ended before it was ready`);
    const { pid } = JSON.parse(ready.value) as { pid: number };
    return new Oracle(child, lines, pid);
  }

  /** Lets it work; resolves with what it did, when it waits for what comes next: its word may be here before its write has returned. */
  async go(): Promise<unknown> {
    this.child.stdin.write('go\n');
    const truth = await this.lines.next();
    if (truth.done) throw new Error('kdelay-oracle ended without a word');
    while (this.isRunning()) await delay(1);
    return JSON.parse(truth.value);
  }

  private isRunning(): boolean {
    try {
      return / R /.test(readFileSync(`/proc/${this.pid}/stat`, 'utf8').replace(/^.*\)/s, ''));
    } catch {
      return false;
    }
  }

  end(): void {
    this.child.stdin.end('end\n');
  }
}
