/** The parts of README.md that are written by programs, each between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';

export function writeInto(path: URL, mark: string, part: string): void {
  const text = withPart(readFileSync(path, 'utf8'), mark, part);
  if (text === null) throw new Error(`${path.pathname} lacks its marks of ${mark}`);
  writeFileSync(path, text);
}

/** The text with another part between its marks; null: it has none. */
export function withPart(text: string, mark: string, part: string): string | null {
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`];
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) return null;
  return `${before}${begin}\n${part}\n${end}${after}`;
}
