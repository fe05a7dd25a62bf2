/** A line on the terminal while a window is open. */
import type { Options } from '../../report/types.js';
import { wholeSeconds } from '../../units.js';

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  /** How many a line has now. */
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface Progress {
  windowOpened(index: number): void;
  windowClosed(): void;
}

type ProgressOptions = Pick<Options, 'sampleCount' | 'sampleTime' | 'startTrigger'>;

const shownAfterMs = 1000;

/** Of a terminal that does not say. */
const usualColumns = 80;

/** Silent unless the stream is a terminal and the window lasts over a second (unknown lengths: once it has). */
export function createProgress(
  stream: ProgressStream,
  { sampleCount, sampleTime: windowSeconds, startTrigger }: ProgressOptions,
): Progress {
  const waiting = startTrigger === null ? '' : 'waiting for its trigger or in its window, ';
  const silent =
    stream.isTTY !== true ||
    (startTrigger === null && windowSeconds !== null && windowSeconds * 1000 <= shownAfterMs);
  let timer: NodeJS.Timeout | undefined;
  let shown = false;
  return {
    windowOpened(index) {
      if (silent) return;
      const openedMs = performance.now();
      const length = windowSeconds === null || startTrigger !== null ? '' : ` of ${windowSeconds} s`;
      timer = setInterval(() => {
        const elapsed = wholeSeconds(performance.now() - openedMs);
        const line = `kdelay: sample ${index + 1} of ${sampleCount}, ${waiting}${elapsed}${length}; Ctrl-C ends it`;
        // Only the row with the cursor can be cleared: a line that goes on in the next would leave its first row behind.
        const width = (stream.columns || usualColumns) - 1;
        stream.write(`\r\x1b[K${line.slice(0, width)}`);
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
