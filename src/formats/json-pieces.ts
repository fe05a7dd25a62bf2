/** Values as JSON, in the very characters that `JSON.stringify` has for them, but never a long list in one string. */
import { escapeJson } from '../escape.js';
import type { Pieces } from './format.js';

/** How it is laid out. */
export interface Layout {
  /** Spaces for each level; 0: all in one line. */
  readonly indent: number;
  /** Levels that stand around it. */
  readonly depth: number;
}

/** An object, of at least one member: its lists member by member, everything else as a whole. No piece ends inside of a string. */
export function* objectPieces(object: object, layout: Layout): Pieces {
  yield '{';
  yield* memberPieces(object, layout);
  yield `${lineBreak(layout)}}`;
}

/** The same without its braces. */
export function* memberPieces(object: object, { indent, depth }: Layout): Pieces {
  const inner = { indent, depth: depth + 1 };
  const colon = indent === 0 ? ':' : ': ';
  let comma = '';
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined) continue;
    yield `${comma}${lineBreak(inner)}${escapeJson(JSON.stringify(key))}${colon}`;
    if (isList(value)) yield* listPieces(value, inner);
    else yield wholeText(value, inner);
    comma = ',';
  }
}

/** Also of what makes its members only as they are asked for. */
function* listPieces(list: Iterable<unknown>, layout: Layout): Pieces {
  const inner = { ...layout, depth: layout.depth + 1 };
  let before = '[';
  for (const member of list) {
    yield `${before}${lineBreak(inner)}${wholeText(member, inner)}`;
    before = ',';
  }
  yield before === '[' ? '[]' : `${lineBreak(layout)}]`;
}

/** Begins a line on this level. */
export function lineBreak({ indent, depth }: Layout): string {
  return indent === 0 ? '' : `\n${' '.repeat(indent * depth)}`;
}

/** `JSON.stringify` indents what is inside of something else: so it gets this in as many lists, and these are cut off again. */
function wholeText(value: unknown, { indent, depth }: Layout): string {
  if (indent === 0) return escapeJson(JSON.stringify([value]).slice(1, -1));
  let nested = value;
  let before = 0;
  let after = 0;
  for (let level = 1; level <= depth; level++) {
    nested = [nested];
    before += '[\n'.length + indent * level;
    after += '\n]'.length + indent * (level - 1);
  }
  const text = JSON.stringify(nested, null, indent);
  return escapeJson(text.slice(before, text.length - after));
}

function isList(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
