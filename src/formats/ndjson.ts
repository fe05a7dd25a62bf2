import { escapeJson } from '../escape.js';
import type { Format } from './format.js';

/** A header line, then one sample a line as it ends. */
export const ndjson: Format = {
  name: 'ndjson',
  create() {
    return { header: line, sample: line, skipped: () => '', footer: () => '' };
  },
};

function line(value: object): string {
  return `${escapeJson(JSON.stringify(value))}\n`;
}
