/** One file from one server, into a file that is not there yet: in bounded time, and of bounded size. */
import { open } from 'node:fs/promises';
import { version } from '../package.js';

export interface DownloadLimits {
  /** Seconds in which at least `leastBytes` must arrive; 0: no matter. */
  timeout: number;
  /** Seconds for all of it. */
  maxTime: number;
  maxBytes: number;
}

/** Why there is no file. `silent`: who asks again will wait again. */
export class DownloadError extends Error {
  readonly silent: boolean;

  constructor(message: string, silent = false) {
    super(message);
    this.silent = silent;
  }
}

/** As other clients have it: a server that sends less in the time is taken for dead. */
const leastBytes = 100 * 1024;

/** False: the server does not have it. Throws DownloadError; and what writing throws, which is no fault of the server's. */
export async function download(
  url: URL,
  toFile: () => Promise<string>,
  limits: DownloadLimits,
  signal?: AbortSignal,
): Promise<boolean> {
  const controller = new AbortController();
  const watch = watchProgress(controller, limits);
  const onAbort = () => controller.abort(new DownloadError('interrupted'));
  signal?.addEventListener('abort', onAbort);
  try {
    const response = await answer(url, controller.signal, limits.maxBytes);
    if (response === null) return false;
    const file = await open(await toFile(), 'wx', 0o600);
    try {
      for await (const chunk of chunks(response, controller.signal)) {
        watch.arrived(chunk.byteLength);
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    return true;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    watch.end();
    // What is still under way is not wanted any more.
    controller.abort();
  }
}

/** Null: the server does not have it. */
async function answer(url: URL, signal: AbortSignal, maxBytes: number): Promise<Response | null> {
  const headers: Record<string, string> = {
    'user-agent': `kdelay/${version}`,
    'x-debuginfod-maxsize': String(maxBytes),
  };
  const plain = new URL(url);
  // In a URL fetch() refuses them.
  if (url.username !== '') {
    const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(secret).toString('base64')}`;
    plain.username = plain.password = '';
  }
  let response: Response;
  try {
    response = await fetch(plain, { signal, headers });
  } catch (error) {
    throw asDownloadError(error, signal);
  }
  if (response.status === 404) return null;
  if (response.status !== 200) throw new DownloadError(`it answers with status ${response.status}`);
  return response;
}

/** As they arrive, unpacked if the server packs them. */
async function* chunks(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw asDownloadError(error, signal);
    });
    if (done) return;
    yield value;
  }
}

/** Timers of Node.js that are longer, 24.8 days, run at once. */
const longestTimerMs = 2 ** 31 - 1;

function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, longestTimerMs);
}

/** Gives up when too little arrives, or too much, or when it takes too long. */
function watchProgress(
  controller: AbortController,
  { timeout, maxTime, maxBytes }: DownloadLimits,
): { arrived(bytes: number): void; end(): void } {
  let recent = 0;
  let all = 0;
  const stall = () => {
    if (recent < leastBytes) controller.abort(new DownloadError(`it sends nothing for ${timeout} s`, true));
    recent = 0;
  };
  // No server can stall for longer than all of it may take.
  const stalling = timeout === 0 || timeout > maxTime ? undefined : setInterval(stall, timerMs(timeout));
  const late = () => controller.abort(new DownloadError(`it takes longer than ${maxTime} s`, true));
  const ending = setTimeout(late, timerMs(maxTime));
  return {
    arrived(bytes) {
      recent += bytes;
      all += bytes;
      if (all > maxBytes) throw new DownloadError(`a file has more than ${maxBytes} bytes`);
    },
    end() {
      clearInterval(stalling);
      clearTimeout(ending);
    },
  };
}

function asDownloadError(error: unknown, signal: AbortSignal): DownloadError {
  if (signal.reason instanceof DownloadError) return signal.reason;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  // Of several addresses that were tried, each has its own.
  const first = cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause;
  return new DownloadError(first instanceof Error ? first.message : String(first));
}
