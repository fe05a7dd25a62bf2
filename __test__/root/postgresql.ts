/** PostgreSQL and pgbench from Debian's packages, on a socket in a folder of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

export const runFile = promisify(execFile);
const port = '54329';
/** That pgbench connects with. */
export const clients = 4;
const user = ['--reuid=postgres', '--regid=postgres', '--init-groups', '--'];

/** A server of its own, with data of its own, until `end()`. */
export class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'kdelay-postgresql-'));
  readonly #programs: string;
  #postmaster: ChildProcess | undefined;
  #bench: ChildProcess | undefined;

  constructor() {
    const root = '/usr/lib/postgresql';
    const version = readdirSync(root).sort((a, b) => Number(b) - Number(a))[0];
    if (version === undefined) throw new Error('PostgreSQL is not installed');
    this.#programs = join(root, version, 'bin');
  }

  get postmaster(): number {
    return this.#postmaster?.pid ?? 0;
  }

  /** The server's processes. */
  get pids(): number[] {
    const children = readFileSync(`/proc/${this.postmaster}/task/${this.postmaster}/children`, 'utf8');
    return [this.postmaster, ...children.trim().split(' ').map(Number)];
  }

  async start(): Promise<void> {
    const { stdout } = await runFile('id', ['-u', 'postgres']);
    chownSync(this.folder, Number(stdout), -1);
    const data = join(this.folder, 'data');
    await this.#run('initdb', '-D', data, '--no-sync', '-A', 'trust');
    const options = ['-D', data, '-k', this.folder, '-p', port, '-c', 'listen_addresses=', '-c', 'fsync=off'];
    this.#postmaster = this.#spawn('postgres', ...options);
    const isReady = () =>
      this.#run('pg_isready', '-h', this.folder, '-p', port).then(
        () => true,
        () => false,
      );
    for (let waitedMs = 0; !(await isReady()) && waitedMs < 30_000; waitedMs += 100) await setTimeout(100);
    await this.#run('pgbench', '-h', this.folder, '-p', port, '-i', '-q', 'postgres');
  }

  /** Of pgbench's clients. */
  get backends(): number[] {
    return this.pids.filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('postgres: postgres postgres [local]');
      } catch {
        // It has ended, as the server's helpers do now and then.
        return false;
      }
    });
  }

  /** Lets clients work; resolves once each has its backend. */
  async load(seconds: number): Promise<void> {
    const options = ['-h', this.folder, '-p', port, '-c', String(clients), '-T', String(seconds), 'postgres'];
    this.#bench = this.#spawn('pgbench', ...options);
    for (let waitedMs = 0; this.backends.length < clients; waitedMs += 20) {
      if (waitedMs > 30_000) throw new Error('pgbench did not connect');
      await setTimeout(20);
    }
  }

  async end(): Promise<void> {
    for (const [child, signal] of [
      [this.#bench, 'SIGTERM'],
      // Fast shutdown: it does not wait for clients.
      [this.#postmaster, 'SIGINT'],
    ] as const) {
      if (child === undefined || child.exitCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    }
    rmSync(this.folder, { recursive: true });
  }

  #run(program: string, ...args: string[]): Promise<unknown> {
    return runFile('setpriv', [...user, join(this.#programs, program), ...args], { cwd: this.folder });
  }

  #spawn(program: string, ...args: string[]): ChildProcess {
    return spawn('setpriv', [...user, join(this.#programs, program), ...args], {
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
  }
}
