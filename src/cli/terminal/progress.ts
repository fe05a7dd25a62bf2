/** A line on the terminal while a window is open. */
import type { Options } from '../../report/types.js';
import { wholeSeconds } from '../../units.js';

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export interface Progress {
  windowOpened(index: number): void;
  windowClosed(): void;
}

type ProgressOptions = Pick<Options, 'sampleCount' | 'sampleTime' | 'startTrigger'>;

const shownAfterMs = 1000;

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
        stream.write(
          `\r\x1b[Kkdelay: sample ${index + 1} of ${sampleCount}, ${waiting}${elapsed}${length}; Ctrl-C ends it`,
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
