/** PostgreSQL on a socket of its own, and pgbench's look-ups by one client: the work of one server process. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Cluster, runFile } from '../__test__/root/postgresql.js';
import { end, launch } from './program.js';
import { clientCpu, type Server, type ServerKind, serverCpu } from './server.js';

export const postgresql: ServerKind = {
  name: 'postgresql',
  title: 'PostgreSQL, look-ups of one client (`pgbench -S -c 1`); watched is the process that answers it',
  start: startPostgresql,
};

async function startPostgresql(): Promise<Server> {
  const cluster = new Cluster();
  try {
    await cluster.start();
    return await loaded(cluster);
  } catch (error) {
    // Its processes are not among those that end with us.
    await cluster.end();
    throw error;
  }
}

async function loaded(cluster: Cluster): Promise<Server> {
  const port = readdirSync(cluster.folder)
    .map((name) => /^\.s\.PGSQL\.(\d+)$/.exec(name)?.[1])
    .find((found) => found !== undefined);
  if (port === undefined) throw new Error(`PostgreSQL has no socket in ${cluster.folder}`);
  const user = ['--reuid=postgres', '--regid=postgres', '--init-groups', '--'];
  const load = ['-S', '-n', '-c', '1', '-T', '86400', '-l', '-h', cluster.folder, '-p', port, 'postgres'];
  const pgbench = launch('setpriv', [...user, 'pgbench', ...load], {
    cwd: cluster.folder,
    stdio: 'ignore',
    cpu: clientCpu,
  });
  // What setpriv runs keeps its pid.
  const log = await Log.open(join(cluster.folder, `pgbench_log.${pgbench.pid}`));
  // pgbench has a connection that it closes before its work begins.
  await log.countBetween(0, 0);
  const [pid] = cluster.backends;
  if (pid === undefined) throw new Error('pgbench’s connection is not found');
  await runFile('taskset', ['-c', '-p', String(serverCpu), String(pid)]);
  return {
    pid,
    async work(milliseconds) {
      const beginMs = Date.now();
      await setTimeout(milliseconds);
      const endMs = Date.now();
      const transactions = await log.countBetween(beginMs, endMs);
      // One answer and one question each; that of the first may have come before.
      const calls = Math.max(transactions - 1, 0);
      return {
        perSecond: (transactions * 1000) / (endMs - beginMs),
        calls: { recvfrom: calls, sendto: calls },
      };
    },
    async end() {
      log.close();
      await end(pgbench, 'SIGTERM');
      await cluster.end();
    },
  };
}

const longestWaitMs = 30_000;
const lookMs = 5;
const block = Buffer.alloc(1 << 20);

/** pgbench's, a line for each transaction as it ends: its fifth and sixth words are the time, in seconds and µs. */
class Log {
  readonly #file: number;
  #text = '';

  private constructor(file: number) {
    this.#file = file;
  }

  /** Waits for it. */
  static async open(path: string): Promise<Log> {
    for (let waitedMs = 0; !existsSync(path) && waitedMs < longestWaitMs; waitedMs += lookMs)
      await setTimeout(lookMs);
    return new Log(openSync(path, 'r'));
  }

  /** It is written by the block: this waits for a line from after that. */
  async countBetween(beginMs: number, endMs: number): Promise<number> {
    let count = 0;
    for (let waitedMs = 0; waitedMs < longestWaitMs; waitedMs += lookMs) {
      const ends = this.#newEndsMs();
      count += ends.filter((ms) => ms > beginMs && ms <= endMs).length;
      if ((ends.at(-1) ?? 0) > endMs) return count;
      await setTimeout(lookMs);
    }
    throw new Error('pgbench makes no transactions');
  }

  close(): void {
    closeSync(this.#file);
  }

  /** When each transaction ended that was written since the last time. */
  #newEndsMs(): number[] {
    for (let length = block.length; length === block.length; ) {
      length = readSync(this.#file, block);
      this.#text += block.toString('latin1', 0, length);
    }
    const lines = this.#text.split('\n');
    this.#text = lines.pop() ?? '';
    return lines.map((line) => {
      const words = line.split(' ');
      return Number(words[4]) * 1000 + Number(words[5]) / 1000;
    });
  }
}
