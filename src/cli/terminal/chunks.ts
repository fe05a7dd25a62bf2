import { setImmediate } from 'node:timers/promises';
import type { Pieces } from '../../formats/index.js';

/** So that a million lines are not a million writes; more, and V8 keeps such strings apart, and for longer. */
const enough = 1 << 16;

/** A signal is not kept waiting for longer. */
const longestMs = 20;

/** Pieces together, of some size. Where there are none yet for a while, the event loop has its turns. */
export async function* inChunks(...sources: Pieces[]): AsyncGenerator<string, void> {
  let chunk = '';
  let sinceMs = performance.now();
  for (const pieces of sources) {
    for (const piece of pieces) {
      chunk += piece;
      if (chunk.length >= enough) {
        yield chunk;
        chunk = '';
        sinceMs = performance.now();
      } else if (performance.now() - sinceMs >= longestMs) {
        await setImmediate();
        sinceMs = performance.now();
      }
    }
  }
  yield chunk;
}
