/** Which servers of debug files are asked, and how patiently: the environment says so, as for every client of debuginfod. */
import os from 'node:os';
import path from 'node:path';
import { KdelayError } from '../errors.js';

export interface DebugServers {
  /** Asked in this order. */
  readonly urls: readonly URL[];
  /** The folder of debug files that other clients of debuginfod use, too. */
  readonly cache: string;
  /** Seconds in which at least 100 KB must arrive; 0: no matter. */
  readonly timeout: number;
  /** Seconds for one file; 0: no matter. */
  readonly maxTime: number;
  /** Bytes of one file. */
  readonly maxBytes: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const variable = 'DEBUGINFOD_URLS';
/** Nothing that is larger would be read. */
const largest = 2 ** 31;

/** Throws INVALID_ARGUMENT if the environment names no server. */
export function debugServers(environment: Environment = process.env): DebugServers {
  // Markers such as ima:enforcing are for clients that check signatures.
  const words = (environment[variable] ?? '')
    .split(/\s+/)
    .filter((word) => word !== '' && !/^ima:/.test(word));
  if (words.length === 0) {
    throw new KdelayError(
      'INVALID_ARGUMENT',
      `--debuginfod: ${variable} names no server to ask`,
      `set it to the URLs of debuginfod servers, with spaces between; sudo keeps it with --preserve-env=${variable}`,
    );
  }
  const maxBytes = number(environment, 'DEBUGINFOD_MAXSIZE', 0);
  return {
    urls: words.map(toUrl),
    cache: cacheFolder(environment),
    timeout: number(environment, 'DEBUGINFOD_TIMEOUT', 90),
    maxTime: number(environment, 'DEBUGINFOD_MAXTIME', 0),
    maxBytes: maxBytes === 0 ? largest : Math.min(maxBytes, largest),
  };
}

function toUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `--debuginfod: ${variable} has '${text}', which is no URL of http or https`,
    'such as https://debuginfod.example.org; several with spaces between',
  );
}

function number(environment: Environment, name: string, otherwise: number): number {
  const text = environment[name] ?? '';
  if (text === '') return otherwise;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `--debuginfod: ${name} is '${text}'`,
    'give a whole number, or leave it out',
  );
}

function cacheFolder({ DEBUGINFOD_CACHE_PATH, XDG_CACHE_HOME, HOME }: Environment): string {
  if (DEBUGINFOD_CACHE_PATH) return path.resolve(DEBUGINFOD_CACHE_PATH);
  return path.resolve(XDG_CACHE_HOME || path.join(HOME || os.homedir(), '.cache'), 'debuginfod_client');
}
