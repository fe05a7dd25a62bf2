/**
 * Names come from the traced process, which may set them to anything: an escape sequence that retitles or clears the
 * terminal, a right-to-left override that reorders the line, or characters nobody sees.
 *
 * C: control, format (bidi, zero-width), surrogate, private use, unassigned. Zl, Zp: line breaks that are no control
 * characters. DI: what a terminal may draw as nothing although it is a letter or a mark (Hangul fillers, variation selectors).
 */
const unsafe = /[\p{C}\p{Zl}\p{Zp}\p{DI}]/gu;

const printable = /^[\x20-\x7e]*$/;

/** Makes what a terminal would not show, or would obey, visible: \n, \x1b, \u202e, \u{e0041}. */
export function escapeText(text: string): string {
  // Nearly all there is, and quickly told: there may be 100,000s of names.
  if (printable.test(text)) return text;
  return text.replace(unsafe, visible);
}

/**
 * The same characters as JSON escapes, in text that is JSON already: there they stand inside strings only, but for the
 * line feeds between values, which stay.
 */
export function escapeJson(json: string): string {
  // JSON has no control characters but DEL. Told in a fifth of the time that a regular expression takes: reports are long.
  if (Buffer.byteLength(json) === json.length && !json.includes('\x7f')) return json;
  return json.replace(unsafe, (character) => (character === '\n' ? character : utf16Escapes(character)));
}

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function visible(character: string): string {
  const named = short[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? unicodeEscape(code) : `\\u{${code.toString(16)}}`;
}

function utf16Escapes(character: string): string {
  return Array.from({ length: character.length }, (_, index) =>
    unicodeEscape(character.charCodeAt(index)),
  ).join('');
}

function unicodeEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
