import type { CapturedReport, CapturedSample } from '../report/events.js';
import type { Header } from '../report/types.js';
import type { Format } from './format.js';
import { jsonPieces } from './json-pieces.js';

/** One document, written at the end: only then are all targets known. */
export const json: Format = {
  name: 'json',
  create() {
    const samples: CapturedSample[] = [];
    let start: Header | undefined;
    return {
      header(header) {
        start = header;
        return [];
      },
      sample(sample) {
        samples.push(sample);
        return [];
      },
      skipped: () => [],
      footer(targets) {
        if (start === undefined) return [];
        const report: CapturedReport = { ...start, targets: [...targets], samples };
        return jsonPieces(report, 2);
      },
    };
  },
};
