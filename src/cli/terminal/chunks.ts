import type { Pieces } from '../../formats/index.js';
import { Turns } from '../../session/turns.js';

/** So that a million lines are not a million writes; more, and V8 keeps such strings apart, and for longer. */
const enough = 1 << 16;

/** Pieces together, of some size. Where there are none yet for a while, the event loop has its turns. */
export async function* inChunks(...sources: Pieces[]): AsyncGenerator<string, void> {
  let chunk = '';
  const turns = new Turns();
  for (const pieces of sources) {
    for (const piece of pieces) {
      chunk += piece;
      if (chunk.length >= enough) {
        yield chunk;
        chunk = '';
        turns.begin();
      } else if (turns.isDue()) {
        await turns.give();
      }
    }
  }
  yield chunk;
}
