/** Debug files of modules that have none, fetched by build id into the folder that clients of debuginfod share. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rename, rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { DownloadError, download } from './download.js';
import type { DebugServers } from './settings.js';

export interface DebuginfodOptions {
  /** Default: as the environment says; throws INVALID_ARGUMENT if DEBUGINFOD_URLS is not set. */
  servers?: DebugServers;
  /** Ends the downloads under way when it is aborted; one that was before is not looked at. */
  signal?: AbortSignal;
  /** Called when servers are about to be asked for so many files. */
  onFetch?: (count: number) => void;
}

interface Server {
  readonly url: URL;
  /** In a row. */
  failures: number;
}

/** It comes from a file of the traced process, and goes into a path. */
const isBuildId = /^([0-9a-f]{2}){8,64}$/;
/** In a row: the server is not asked again. */
const mostFailures = 3;
/** Under way at the same time. */
const atOnce = 4;
/** Asked for in all: a hostile process may map any number of files, with any build ids. */
const mostFiles = 512;
/** For the files of one sample. */
const mostSeconds = 600;
/** Different ones of one sample; they may quote what a server says. */
const mostProblems = 20;
const longestProblem = 300;

export class DebugFiles {
  readonly #settings: DebugServers;
  readonly #hooks: Pick<DebuginfodOptions, 'signal' | 'onFetch'>;
  readonly #servers: readonly Server[];
  readonly #isDebugFileOf: (file: string, buildId: string) => Promise<boolean>;
  /** A server that does not have a file is not asked for it again. */
  readonly #asked = new Set<string>();
  readonly #closing = new AbortController();
  /** How many files each of them concerns. */
  #problems = new Map<string, number>();
  /** Of the downloads under way. */
  #fetching: AbortController | null = null;

  /** `isDebugFileOf` says whether a file is what was asked for. */
  constructor(
    settings: DebugServers,
    isDebugFileOf: (file: string, buildId: string) => Promise<boolean>,
    hooks: Pick<DebuginfodOptions, 'signal' | 'onFetch'> = {},
  ) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#servers = settings.urls.map((url) => ({ url, failures: 0 }));
    this.#isDebugFileOf = isDebugFileOf;
  }

  /**
   * What `missing` tells, and once more: what a debug file has in common with others may be in one more, which is known when
   * that one is there.
   */
  async fetchMissing(missing: () => Promise<string[]>): Promise<void> {
    const { onFetch } = this.#hooks;
    for (let round = 0; round < 2; round++) {
      const ids = this.#notAsked(await missing());
      if (ids.length === 0) return;
      onFetch?.(ids.length);
      const until = this.#untilEnded();
      this.#fetching = until;
      await this.fetch(ids, until.signal);
      this.#fetching = null;
      if (until.signal.aborted) return;
      until.abort();
    }
  }

  /** Ends the downloads of `fetchMissing`; false: there are none. */
  hurry(): boolean {
    this.#fetching?.abort();
    return this.#fetching !== null;
  }

  /** Ends the downloads under way: nobody waits for their files any more. */
  close(): void {
    this.#closing.abort();
  }

  /** Aborted with the caller's signal, unless that has ended the window before, which is not meant for this; and by `close`. */
  #untilEnded(): AbortController {
    const { signal } = this.#hooks;
    const closing = this.#closing.signal;
    const ended = new AbortController();
    const end = () => ended.abort();
    const untilThen = { once: true, signal: ended.signal };
    if (signal?.aborted !== true) signal?.addEventListener('abort', end, untilThen);
    closing.addEventListener('abort', end, untilThen);
    if (closing.aborted) end();
    return ended;
  }

  /** Never throws: what went wrong is a problem. */
  async fetch(buildIds: readonly string[], signal?: AbortSignal): Promise<void> {
    const wanted = this.#notAsked(buildIds);
    const left = mostFiles - this.#asked.size;
    if (wanted.length > left)
      this.#tell(`debuginfod: more than ${mostFiles} files are missing`, wanted.length - left);
    const ids = wanted.slice(0, left).values();
    const until = performance.now() + mostSeconds * 1000;
    const work = async () => {
      for (const id of ids) {
        this.#asked.add(id);
        await this.#fetchOne(id, until, signal);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  /** What went wrong since the last call, a line each. */
  takeProblems(): string[] {
    const lines = [...this.#problems].map(([line, count]) =>
      count === 1 ? line : `${line} (${count} files)`,
    );
    this.#problems = new Map();
    return lines;
  }

  /** Those of these build ids, in hexadecimal, that no server was asked for before. */
  #notAsked(buildIds: readonly string[]): string[] {
    return buildIds.filter((id) => isBuildId.test(id) && !this.#asked.has(id));
  }

  async #fetchOne(id: string, until: number, signal: AbortSignal | undefined): Promise<void> {
    for (const server of this.#servers) {
      const seconds = (until - performance.now()) / 1000;
      if (signal?.aborted === true) return this.#tell('debuginfod: interrupted');
      if (seconds <= 0) return this.#tell(`debuginfod: files are still missing after ${mostSeconds} s`);
      // Told when it failed.
      if (server.failures >= mostFailures) continue;
      try {
        const isThere = await this.#fetchFrom(server.url, id, seconds, signal);
        server.failures = 0;
        if (isThere) return;
      } catch (error) {
        if (!(error instanceof DownloadError)) {
          return this.#tell(`debuginfod: nothing can be kept in ${this.#settings.cache}: ${codeOf(error)}`);
        }
        server.failures += error.silent ? mostFailures : 1;
        this.#tell(`debuginfod: ${nameOf(server.url)}: ${error.message}`);
      }
    }
  }

  /** False: the server does not have it. */
  async #fetchFrom(
    server: URL,
    id: string,
    seconds: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { cache, timeout, maxTime, maxBytes } = this.#settings;
    const url = new URL(server);
    url.pathname = `${server.pathname.replace(/\/+$/, '')}/buildid/${id}/debuginfo`;
    const folder = path.join(cache, id);
    const partial = path.join(folder, `debuginfo.${randomBytes(8).toString('hex')}.part`);
    const toFile = async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return partial;
    };
    const limits = { timeout, maxTime: maxTime === 0 ? seconds : Math.min(maxTime, seconds), maxBytes };
    try {
      if (!(await download(url, toFile, limits, signal))) return false;
      if (!(await this.#isDebugFileOf(partial, id))) {
        throw new DownloadError('it sends something else than the debug file of that build id');
      }
      // Under its own name only when it is whole, and as the other clients leave it.
      await chmod(partial, 0o400);
      await rename(partial, path.join(folder, 'debuginfo'));
      return true;
    } catch (error) {
      // Neither may be there; then there is nothing to be removed.
      await unlink(partial).catch(() => undefined);
      await rmdir(folder).catch(() => undefined);
      throw error;
    }
  }

  #tell(line: string, count = 1): void {
    const isKnown = this.#problems.has(line) || this.#problems.size < mostProblems;
    const told = isKnown ? line.slice(0, longestProblem) : 'debuginfod: other problems';
    this.#problems.set(told, (this.#problems.get(told) ?? 0) + count);
  }
}

/** The file's own name, which the message has, is another each time. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}

/** Without what may be secret in it. */
function nameOf(url: URL): string {
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
