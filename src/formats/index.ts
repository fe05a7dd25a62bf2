/** The registry of formats. A new one needs a file here and a line below. */
import { KdelayError } from '../errors.js';
import type { CapturedReport } from '../report/events.js';
import { folded } from './folded.js';
import type { Format, Formatter, Pieces } from './format.js';
import { joined } from './joined.js';
import { json } from './json.js';
import { ndjson } from './ndjson.js';
import { perfetto } from './perfetto.js';
import { text } from './text/index.js';

export type { Format, Formatter, Pieces } from './format.js';

/** Those that a finished report can be printed in. */
export const formats: readonly Format[] = [text, json, ndjson, folded];

const all: readonly Format[] = [...formats, perfetto];

/** Those of --format. */
export const formatNames: readonly string[] = all.map(({ name }) => name);

/** The format of this name. Throws INVALID_ARGUMENT for a name that is not in `formatNames`. */
export function findFormat(name: string): Format {
  const format = all.find((candidate) => candidate.name === name);
  if (format !== undefined) return format;
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `format: “${name}” is none`,
    `choose one of ${formatNames.join(', ')}`,
  );
}

/**
 * A whole report in the format of this name. Throws KdelayError, INVALID_ARGUMENT, for an unknown name, for perfetto, and for a report that is
 * longer than a string can be: write the pieces that a Formatter makes then.
 */
export function formatReport(report: CapturedReport, name: string): string {
  if (name === perfetto.name) {
    throw new KdelayError(
      'INVALID_ARGUMENT',
      'format: perfetto is written while samples are taken, and not made of them',
      "give CaptureSession.open() a file as its option 'timeline'",
    );
  }
  return joined(name, piecesOf(report, findFormat(name).create(report.options)));
}

/** One after the other: what a footer says depends on the samples before it. */
function* piecesOf({ samples, ...header }: CapturedReport, formatter: Formatter): Pieces {
  yield* formatter.header(header);
  for (const sample of samples) yield* formatter.sample(sample, header.targets);
  yield* formatter.footer(header.targets);
}
