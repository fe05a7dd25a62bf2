/** What a window was spent with, as a waterfall that fits 100 columns. */

import { escapeText } from '../../escape.js';
import type { CriticalPath, PathSegment } from '../../report/types.js';
import { shortTime, wholePercent } from '../../units.js';
import type { Pieces } from '../format.js';
import { words } from './chains.js';

/** The longest, in the order of time: nobody reads more of them, and JSON has them all. */
const mostSegments = 24;
const barWidth = 24;
const lineWidth = 100;

/** What the bars are drawn of, from the window's beginning on; it may begin before that. */
interface Whole {
  beginNs: number;
  lengthNs: number;
}

/** Nothing where no thread's path was asked for, or nothing of it was recorded. */
export function* criticalPathPieces(path: CriticalPath | null): Pieces {
  if (path === null) return;
  const { comm, tid, segments } = path;
  const windowNs = segments.at(-1)?.toNs ?? 0;
  const beginNs = Math.min(segments[0]?.fromNs ?? 0, 0);
  const whole = { beginNs, lengthNs: windowNs - beginNs };
  const before = beginNs < 0 ? `, and ${shortTime(-beginNs)} before that` : '';
  yield `\n\n# CRITICAL PATH of ${escapeText(comm)} (${tid}), ${shortTime(windowNs)}${before}:\n`;
  let leftOut: PathSegment[] = [];
  const shown = longest(segments);
  for (const segment of segments) {
    if (!shown.has(segment)) {
      leftOut.push(segment);
      continue;
    }
    if (leftOut.length > 0) yield `${leftOutLine(leftOut, whole)}\n`;
    leftOut = [];
    yield `${line(segment, whole)}\n`;
  }
  if (leftOut.length > 0) yield `${leftOutLine(leftOut, whole)}\n`;
}

function longest(segments: readonly PathSegment[]): ReadonlySet<PathSegment> {
  const length = ({ fromNs, toNs }: PathSegment) => toNs - fromNs;
  return new Set(segments.toSorted((a, b) => length(b) - length(a)).slice(0, mostSegments));
}

/** The last two steps say what was waited for, and of whom. */
function line({ fromNs, toNs, steps }: PathSegment, whole: Whole): string {
  return cells(fromNs, toNs, whole, steps.slice(-2).map(words).join(' < '));
}

function leftOutLine(segments: readonly PathSegment[], whole: Whole): string {
  const [first] = segments;
  const last = segments.at(-1);
  if (first === undefined || last === undefined) return '';
  return cells(first.fromNs, last.toNs, whole, `(${segments.length} shorter)`);
}

function cells(fromNs: number, toNs: number, { beginNs, lengthNs }: Whole, text: string): string {
  const at = (ns: number) => Math.round(((ns - beginNs) / lengthNs) * barWidth);
  const begin = Math.min(at(fromNs), barWidth - 1);
  const bar = '#'.repeat(Math.max(at(toNs) - begin, 1)).padStart(begin + Math.max(at(toNs) - begin, 1));
  const share = wholePercent(toNs - fromNs, lengthNs);
  const head = `  ${shortTime(toNs - fromNs).padStart(8)} ${share.padStart(9)} |${bar.padEnd(barWidth)}| `;
  const room = lineWidth - head.length;
  return `${head}${text.length > room ? `${text.slice(0, room - 1)}…` : text}`.trimEnd();
}
