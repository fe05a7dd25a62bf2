/** Loads that are timed from within, and are asked for one slice after the other. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from './program.js';
import type { Calls } from './tracer.js';

export interface Body {
  readonly name: string;
  readonly title: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** What is counted in a round trip of the load. */
  readonly operations: number;
  /** Whether one thread makes the calls, so that every tracer is compared. */
  readonly everyTracer: boolean;
}

export const oracle = fileURLToPath(new URL('../target/release/kdelay-oracle', import.meta.url));
const pool = fileURLToPath(new URL('pool.mjs', import.meta.url));

function loop(name: string, title: string, operations: number): Body {
  return { name, title, command: [oracle, 'loop', name], operations, everyTracer: true };
}

function failing(calls: number): Body {
  return {
    name: `calls-${calls}`,
    title: `a call that fails at once, by one thread that makes ${calls} different ones in turn`,
    command: [oracle, 'loop', 'failing', '--calls', String(calls)],
    operations: 1,
    everyTracer: false,
  };
}

function threadPool(threads: number): Body {
  return {
    name: `threads-${threads}`,
    title: `one read of one byte in Node.js’s pool of ${threads.toLocaleString('en')} ${threads === 1 ? 'thread' : 'threads on one CPU, all of them at it'}`,
    command: [process.execPath, pool],
    environment: { UV_THREADPOOL_SIZE: String(threads) },
    operations: 1,
    everyTracer: false,
  };
}

export const getppid = loop('getppid', 'getppid, by one thread', 1);

export const bodies: readonly Body[] = [
  getppid,
  loop('read0', 'read of one byte of /dev/zero, by one thread', 1),
  loop(
    'futexpp',
    'one hand-over of a futex ping-pong of two threads on one CPU (a context switch, two futex calls)',
    2,
  ),
  ...[10, 50, 200].map(failing),
  ...[1, 64, 1000].map(threadPool),
];

export function bodyNamed(name: string): Body {
  const body = bodies.find((body) => body.name === name);
  if (body === undefined) throw new RangeError(`no load ${name}`);
  return body;
}

export interface Slice {
  /** Ns per operation in the fastest tenth of the batches: what the machine does when nothing disturbs it. */
  p10Ns: number;
  /** The same of the median batch. */
  medianNs: number;
  /** Which share of the batches took exactly as long as the median one. */
  atMedian: number;
  /** Calls that were made. */
  syscalls: Calls;
}

export class Load {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #operations: number;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, pid: number, operations: number) {
    this.#child = child;
    this.#lines = lines;
    this.pid = pid;
    this.#operations = operations;
  }

  /** Set up on this CPU, and waiting. */
  static async start(body: Body, cpu: number): Promise<Load> {
    const [program, ...args] = body.command;
    const child = launch(program, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...body.environment },
      cpu,
    });
    if (child.stdout === null) throw new Error(`${program} has no output`);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { pid } = parse(await lines.next()) as { pid: number };
    return new Load(child, lines, pid, body.operations);
  }

  async slice(milliseconds: number): Promise<Slice> {
    this.#child.stdin?.write(`slice ${milliseconds}\n`);
    const answer = parse(await this.#lines.next()) as {
      p10NsPerOp: number;
      medianNsPerOp: number;
      batches: number;
      batchesAtMedian: number;
      syscalls: Record<string, number>;
    };
    return {
      p10Ns: answer.p10NsPerOp / this.#operations,
      medianNs: answer.medianNsPerOp / this.#operations,
      atMedian: answer.batchesAtMedian / answer.batches,
      syscalls: answer.syscalls,
    };
  }

  end(): void {
    this.#child.stdin?.end('end\n');
  }
}

function parse(line: IteratorResult<string>): unknown {
  if (line.done) throw new Error('the load ended');
  return JSON.parse(line.value);
}
