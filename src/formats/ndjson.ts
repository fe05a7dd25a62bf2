import type { Format, Pieces } from './format.js';
import { objectPieces } from './json-pieces.js';

/** A header line, then one sample a line as it ends. */
export const ndjson: Format = {
  name: 'ndjson',
  create() {
    return { header: line, sample: line, skipped: () => [], footer: () => [] };
  },
};

function* line(value: object): Pieces {
  yield* objectPieces(value, { indent: 0, depth: 0 });
  yield '\n';
}
