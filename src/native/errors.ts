import { isErrorCode, KdelayError, type KdelayErrorCause, type KdelayErrorCode } from '../errors.js';

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
  const text = error instanceof Error ? error.message : String(error);
  const failure = parse(text);
  // A panic, or what napi itself refuses, such as an argument of another type.
  if (failure === null) {
    return new KdelayError(
      'INTERNAL',
      `internal error: ${text}`,
      null,
      error instanceof Error ? error : undefined,
    );
  }
  const { code, message, hint, cause } = failure;
  return new KdelayError(code, message, hint ?? hintsOf[code] ?? null, cause ?? undefined);
}

/** For errors that the module gives no hint of its own. */
const hintsOf: Partial<Record<KdelayErrorCode, string>> = {
  WRONG_STATE: 'a window is opened by start(), closed by its length or by stop(), and then read by read()',
};

/** An error as the module makes it: JSON in the message (`crates/loader/src/node/error.rs`). */
export interface NativeFailure {
  code: KdelayErrorCode;
  message: string;
  hint: string | null;
  cause: KdelayErrorCause | null;
}

/** Null: it is none of the module's own, or has a code that is not in the contract. */
function parse(text: string): NativeFailure | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const isFailure = typeof value === 'object' && value !== null && 'code' in value && isErrorCode(value.code);
  return isFailure ? (value as NativeFailure) : null;
}
