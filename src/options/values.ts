/** Parsers of option arguments. Each throws INVALID_ARGUMENT with the option, what was given, and what would be right. */

import { limits } from '../constants.js';
import { KdelayError } from '../errors.js';

/** Linux's PID_MAX_LIMIT. */
const maximumPid = 4_194_304;

export function integer(option: string, text: string, minimum: number, maximum: number): number {
  const hint = `give a whole number from ${minimum} to ${maximum}`;
  if (text === '') throw invalid(option, 'the value is empty', hint);
  if (!/^[+-]?\d+$/.test(text)) throw invalid(option, `“${text}” is not a whole number`, hint);
  return inRange(option, text, minimum, maximum, hint);
}

export function seconds(option: string, text: string, minimum: number, maximum: number): number {
  const from = minimum === 0 ? 'from 0' : 'over 0 and';
  const hint = `give seconds ${from} up to ${maximum}, such as 0.5`;
  if (text === '') throw invalid(option, 'the value is empty', hint);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    throw invalid(option, `“${text}” is not a number of seconds`, hint);
  }
  return inRange(option, text, minimum, maximum, hint);
}

export function pid(option: string, text: string): number {
  return integer(option, text, 1, maximumPid);
}

export function pids(option: string, text: string): number[] {
  return text.split(',').map((part) => pid(option, part));
}

export function nonEmpty(option: string, what: string, text: string): string {
  if (text === '') throw invalid(option, 'the value is empty', `give ${what}`);
  if (text.includes('\0')) throw invalid(option, 'the value holds a NUL character', `give ${what}`);
  return text;
}

/** Separated by commas. */
export function names(option: string, what: string, text: string): string[] {
  return text.split(',').map((part) => nonEmpty(option, what, part));
}

export function choice<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === text);
  if (chosen !== undefined) return chosen;
  const why = text === '' ? 'the value is empty' : `unknown value “${text}”`;
  throw invalid(option, why, `choose one of ${choices.join(', ')}`);
}

export function unique<T>(before: readonly T[] | undefined, more: readonly T[]): T[] {
  return [...new Set([...(before ?? []), ...more])];
}

/** Bytes of whole pages, a power of two of them; 0 stays 0. */
export function pages(bytes: number): number {
  return bytes === 0 ? 0 : Math.max(limits.pageBytes, nextPowerOfTwo(bytes));
}

export function nextPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

function inRange(option: string, text: string, minimum: number, maximum: number, hint: string): number {
  const value = Number(text);
  if (value < minimum || value > maximum) throw invalid(option, `${text} is out of range`, hint);
  return value;
}

function invalid(option: string, why: string, hint: string): KdelayError {
  return new KdelayError('INVALID_ARGUMENT', `${option}: ${why}`, hint);
}
