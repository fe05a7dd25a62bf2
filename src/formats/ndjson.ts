import type { Format } from './format.js';
import { jsonPieces } from './json-pieces.js';

/** A header line, then one sample a line as it ends. */
export const ndjson: Format = {
  name: 'ndjson',
  create() {
    return { header: line, sample: line, skipped: () => [], footer: () => [] };
  },
};

const line = (value: object) => jsonPieces(value, 0);
