import type { Format, Pieces } from './format.js';
import { type Layout, lineBreak, memberPieces, objectPieces } from './json-pieces.js';

const top: Layout = { indent: 2, depth: 0 };
const listed: Layout = { indent: 2, depth: 2 };

/** One document. Each sample is written as it ends; the targets stand behind them, as only then all of them are known. */
export const json: Format = {
  name: 'json',
  create() {
    let hasHeader = false;
    let samples = 0;
    return {
      header({ targets: _, ...start }) {
        hasHeader = true;
        return headerPieces(start);
      },
      sample: (sample) => samplePieces(sample, samples++ === 0),
      skipped: () => [],
      footer: (targets) => (hasHeader ? footerPieces({ targets }, samples === 0) : []),
    };
  },
};

function* headerPieces(start: object): Pieces {
  yield '{';
  yield* memberPieces(start, top);
  yield `,${lineBreak({ ...top, depth: 1 })}"samples": [`;
}

function* samplePieces(sample: object, isFirst: boolean): Pieces {
  yield `${isFirst ? '' : ','}${lineBreak(listed)}`;
  yield* objectPieces(sample, listed);
}

function* footerPieces(rest: object, isEmpty: boolean): Pieces {
  yield `${isEmpty ? '' : lineBreak({ ...top, depth: 1 })}],`;
  yield* memberPieces(rest, top);
  yield `${lineBreak(top)}}\n`;
}
