import { KdelayError } from '../errors.js';

/** The value. Throws INVALID_ARGUMENT. */
export function checkInteger(option: string, value: number, minimum: number, maximum: number): number {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new KdelayError(
    'INVALID_ARGUMENT',
    `session: ${option} is ${value}`,
    `give an integer from ${minimum} to ${maximum}`,
  );
}
