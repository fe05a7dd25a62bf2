import { isErrorCode, KdelayError, type KdelayErrorCode } from '../errors.js';

/** Runs a call into the native module; what it throws arrives as a KdelayError. */
export function callNative<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

export async function awaitNative<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNative(error);
  }
}

export function fromNative(error: unknown): KdelayError {
  if (error instanceof KdelayError) return error;
  const { code, text } = splitCode(error);
  const [message, hint] = cutLine(text);
  return new KdelayError(code, message, hint.trimEnd() || (hintsOf[code] ?? null), error);
}

/** For errors that the module gives no hint of its own. */
const hintsOf: Partial<Record<KdelayErrorCode, string>> = {
  WRONG_STATE: 'a window is opened by start(), closed by its length or by stop(), and then read by read()',
};

/**
 * The module's errors are text, "CODE\nmessage" or "CODE\nmessage\nhint", because asynchronous tasks of napi carry no other
 * field. One that has its code in `code` is understood too; an unknown code is a defect and says so.
 */
function splitCode(error: unknown): { code: KdelayErrorCode; text: string } {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && 'code' in error && isErrorCode(error.code)) return { code: error.code, text };
  const [first, rest] = cutLine(text);
  if (isErrorCode(first) && rest !== '') return { code: first, text: rest };
  return { code: 'INTERNAL', text: `internal error: ${text}` };
}

/** The first line, and what follows it. */
function cutLine(text: string): [first: string, rest: string] {
  const end = text.indexOf('\n');
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end + 1)];
}
