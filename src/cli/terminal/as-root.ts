/** The command line that runs this very program as root. */
import { KdelayError } from '../../errors.js';

type Invocation = Pick<typeof process, 'execPath' | 'argv' | 'geteuid'>;

/**
 * Whole paths: what `sudo` looks commands up in (`secure_path`) has neither the Node.js of a version manager nor what that
 * one has installed, and kdelay's own first line asks for `node` by name.
 */
export function sudoLine({ execPath, argv }: Pick<Invocation, 'execPath' | 'argv'> = process): string {
  return ['sudo', execPath, ...argv.slice(1)].map(quoted).join(' ');
}

/** The same error with that line in its hint, where root has what is lacking and this is another user. */
export function withSudoLine(error: unknown, invocation: Invocation = process): unknown {
  if (!(error instanceof KdelayError) || error.cause === undefined || error.cause instanceof Error)
    return error;
  if (error.cause.deniedBy !== 'capabilities' || invocation.geteuid?.() === 0) return error;
  const hint = [error.hint, sudoLine(invocation)].filter((line) => line !== null).join('\n');
  return new KdelayError(error.code, error.message, hint, error.cause);
}

/** As a shell reads it back. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
