/** A load that is timed from within: `kdelay-oracle loop`, asked for one slice after the other. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const bodies = ['getppid', 'read0', 'futexpp'] as const;
export type Body = (typeof bodies)[number];

export interface Slice {
  /** Ns per operation in the fastest tenth of the batches: what the machine does when nothing disturbs it. */
  p10Ns: number;
  medianNs: number;
  /** Calls that were made. */
  syscalls: Record<string, number>;
}

export class Load {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, pid: number) {
    this.#child = child;
    this.#lines = lines;
    this.pid = pid;
  }

  /** Set up on this CPU, and waiting. */
  static async start(body: Body, cpu: number): Promise<Load> {
    const program = fileURLToPath(new URL('../target/release/kdelay-oracle', import.meta.url));
    const child = spawn(program, ['loop', body, '--cpu', String(cpu)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { pid } = parse(await lines.next()) as { pid: number };
    return new Load(child, lines, pid);
  }

  async slice(milliseconds: number): Promise<Slice> {
    this.#child.stdin?.write(`slice ${milliseconds}\n`);
    const { p10NsPerOp, medianNsPerOp, syscalls } = parse(await this.#lines.next()) as {
      p10NsPerOp: number;
      medianNsPerOp: number;
      syscalls: Record<string, number>;
    };
    return { p10Ns: p10NsPerOp, medianNs: medianNsPerOp, syscalls };
  }

  end(): void {
    this.#child.stdin?.end('end\n');
  }
}

function parse(line: IteratorResult<string>): unknown {
  if (line.done) throw new Error('the load ended');
  return JSON.parse(line.value);
}
