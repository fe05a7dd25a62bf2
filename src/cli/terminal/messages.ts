/** What kdelay says on stderr. Texts may quote names of the traced process, so every line is escaped here. */
import type { Writable } from 'node:stream';
import { exitCodes, KdelayError } from '../../errors.js';
import { escapeText } from '../../escape.js';

export type MessageStream = Pick<Writable, 'write'>;

export function note(stream: MessageStream, text: string): void {
  stream.write(`kdelay: note: ${escapeText(text)}\n`);
}

export function warn(stream: MessageStream, text: string, hint: string): void {
  stream.write(`kdelay: warning: ${escapeText(text)}\n${hintLines(hint)}`);
}

/** Prints why the run failed, and returns what to exit with. The stack is for those who debug kdelay. */
export function reportFailure(stream: MessageStream, error: unknown, debug: boolean): number {
  const failure = error instanceof KdelayError ? error : unexpected(error);
  stream.write(`kdelay: ${escapeText(failure.message)}\n`);
  if (failure.hint !== null) stream.write(hintLines(failure.hint));
  const { cause } = failure;
  const stack = cause instanceof Error ? cause.stack : failure.stack;
  // Of an expected failure the stack says nothing.
  if (debug && stack !== undefined && failure.exitCode === exitCodes.INTERNAL)
    stream.write(`${stack.split('\n').map(escapeText).join('\n')}\n`);
  return failure.exitCode;
}

function unexpected(error: unknown): KdelayError {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new KdelayError(
    'INTERNAL',
    `internal error: ${text}`,
    'this is a defect in kdelay; -D prints the stack',
    error instanceof Error ? error : undefined,
  );
}

/** A hint's further lines stand below its first. */
function hintLines(hint: string): string {
  return hint
    .split('\n')
    .map((line, index) => `${index === 0 ? 'hint: ' : '      '}${escapeText(line)}\n`)
    .join('');
}
