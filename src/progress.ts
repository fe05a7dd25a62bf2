/** A line on the terminal while a window is open. */
import { wholeSeconds } from './units.js';

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export interface Progress {
  windowOpened(index: number): void;
  windowClosed(): void;
}

const shownAfterMs = 1000;

/** Silent unless the stream is a terminal and the window lasts over a second (unknown lengths: once it has). */
export function createProgress(
  stream: ProgressStream,
  sampleCount: number,
  windowSeconds: number | null,
): Progress {
  const silent = stream.isTTY !== true || (windowSeconds !== null && windowSeconds * 1000 <= shownAfterMs);
  let timer: NodeJS.Timeout | undefined;
  let shown = false;
  return {
    windowOpened(index) {
      if (silent) return;
      const openedMs = performance.now();
      const length = windowSeconds === null ? '' : ` of ${windowSeconds} s`;
      timer = setInterval(() => {
        const elapsed = wholeSeconds(performance.now() - openedMs);
        stream.write(
          `\r\x1b[Kkdelay: sample ${index + 1} of ${sampleCount}, ${elapsed}${length}; Ctrl-C ends it`,
        );
        shown = true;
      }, shownAfterMs);
      // The line must never be what keeps the process alive.
      timer.unref();
    },
    windowClosed() {
      clearInterval(timer);
      if (shown) stream.write('\r\x1b[K');
      shown = false;
    },
  };
}
