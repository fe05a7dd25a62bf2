import { stringifyChunked } from '@discoveryjs/json-ext';
import { escapeJson } from '../escape.js';
import type { Pieces } from './format.js';

/** A value as JSON, and a line feed. `indent`: spaces for each level; 0: all in one line. No piece ends inside of a string. */
export function* jsonPieces(value: object, indent: number): Pieces {
  for (const chunk of stringifyChunked(value, { space: indent })) yield escapeJson(chunk);
  yield '\n';
}
