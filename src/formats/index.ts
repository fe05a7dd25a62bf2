/** The registry of formats. A new one needs a file here and a line below. */
import type { CapturedReport } from '../report/events.js';
import { folded } from './folded.js';
import type { Format } from './format.js';
import { json } from './json.js';
import { ndjson } from './ndjson.js';
import { text } from './text/index.js';

export type { Format, Formatter, Pieces } from './format.js';

export const formats: readonly Format[] = [text, json, ndjson, folded];

export const formatNames: readonly string[] = formats.map(({ name }) => name);

/** The format of this name. Throws RangeError for a name that is not in `formatNames`. */
export function findFormat(name: string): Format {
  const format = formats.find((candidate) => candidate.name === name);
  if (format === undefined) throw new RangeError(`no format named ${name}: choose ${formatNames.join(', ')}`);
  return format;
}

/** A whole report in the format of this name. Throws RangeError for an unknown name. */
export function formatReport(report: CapturedReport, name: string): string {
  const formatter = findFormat(name).create(report.options);
  const { samples, ...header } = report;
  const pieces = [...formatter.header(header)];
  for (const sample of samples) pieces.push(...formatter.sample(sample, report.targets));
  pieces.push(...formatter.footer(report.targets));
  return pieces.join('');
}
