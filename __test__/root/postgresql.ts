/** PostgreSQL and pgbench from Debian's packages, on a socket in a folder of its own. */
import { type ChildProcess, execFile, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

export const runFile = promisify(execFile);
const port = '54329';
/** That pgbench connects with. */
export const clients = 4;
const user = ['--reuid=postgres', '--regid=postgres', '--init-groups', '--'];

/** A session of psql, with a backend of its own, until `end()`. */
export class Connection {
  /** The backend's pid; the server is in the same pid namespace. */
  backend = 0;
  readonly #psql: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(psql: ChildProcess) {
    if (psql.stdout === null) throw new Error('psql is not asked for its answers');
    this.#psql = psql;
    this.#lines = createInterface({ input: psql.stdout })[Symbol.asyncIterator]();
  }

  /** Statements; resolves with what they answered, row by row, once they are done. */
  async query(sql: string): Promise<string> {
    const done = 'kdelay: done';
    this.#psql.stdin?.write(`${sql}\n\\echo '${done}'\n`);
    const rows: string[] = [];
    for (;;) {
      const { value, done: isOver } = await this.#lines.next();
      if (isOver) throw new Error(`psql ended in ${sql}`);
      if (value === done) return rows.join('\n');
      rows.push(value);
    }
  }

  async end(): Promise<void> {
    const ended = once(this.#psql, 'exit');
    this.#psql.stdin?.end();
    // It may be in the middle of a statement.
    this.#psql.kill();
    await ended;
  }
}

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
    this.#postmaster = this.#spawn('postgres', 'ignore', ...options);
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
    this.#bench = this.#spawn('pgbench', 'ignore', ...options);
    for (let waitedMs = 0; this.backends.length < clients; waitedMs += 20) {
      if (waitedMs > 30_000) throw new Error('pgbench did not connect');
      await setTimeout(20);
    }
  }

  async connect(): Promise<Connection> {
    const words = ['-X', '-q', '-A', '-t', '-h', this.folder, '-p', port, 'postgres'];
    const psql = this.#spawn('psql', ['pipe', 'pipe', 'inherit'], ...words);
    const connection = new Connection(psql);
    connection.backend = Number(await connection.query('SELECT pg_backend_pid();'));
    return connection;
  }

  /** Off its CPU, and not about to be on one. */
  sleeps(pid: number): boolean {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') S ');
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

  #spawn(program: string, stdio: StdioOptions, ...args: string[]): ChildProcess {
    return spawn('setpriv', [...user, join(this.#programs, program), ...args], { cwd: this.folder, stdio });
  }
}
