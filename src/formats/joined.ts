import { KdelayError } from '../errors.js';
import type { Pieces } from './format.js';

/** All of it in one string, of which there is a longest. Throws INVALID_ARGUMENT for more. `name`: of the format. */
export function joined(name: string, pieces: Pieces): string {
  const all = [...pieces];
  try {
    return all.join('');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new KdelayError(
      'INVALID_ARGUMENT',
      `format: as ${name} the report is longer than a string can be`,
      'write the pieces one by one that a formatter of `formats` makes',
      error,
    );
  }
}
