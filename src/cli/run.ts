/** One invocation: arguments in, exit code out. */
import { CommanderError } from 'commander';
import { KdelayError } from '../errors.js';
import { createProgram } from './program.js';
import { withSudoLine } from './terminal/as-root.js';
import { reportFailure } from './terminal/messages.js';
import type { Streams } from './terminal/streams.js';

/** `args` without node and script. Never throws. */
export async function run(args: readonly string[], streams: Streams): Promise<number> {
  // What follows the first "--" is the command's and none of the parser's business.
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  const command = end < 0 ? null : args.slice(end + 1);
  let exitCode = 0;
  try {
    const program = createProgram(streams, command, (code) => {
      exitCode = code;
    });
    if (args[0] === 'complete') {
      const { addCompletion } = await import('./completion.js');
      addCompletion(program);
      // What follows the "--" here is an unfinished command line.
      await program.parseAsync(args, { from: 'user' });
      return exitCode;
    }
    await program.parseAsync(own, { from: 'user' });
    return exitCode;
  } catch (error) {
    const failure = error instanceof CommanderError ? usageError(error) : withSudoLine(error);
    if (failure === null) return 0;
    return reportFailure(streams.stderr, failure, wantsStack(args));
  }
}

/** Whether -D is given. Also of arguments that could not be parsed. */
export function wantsStack(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  return own.some((arg) => /^(-D|--debug(=|$))/.test(arg));
}

/** commander's "error: <what>\n(Did you mean …?)" in kdelay's words; null for help and version, which are no errors. */
function usageError({ code, exitCode, message }: CommanderError): KdelayError | null {
  if (exitCode === 0) return null;
  if (code === 'commander.help') {
    return new KdelayError(
      'INVALID_ARGUMENT',
      'usage: a command is missing',
      'such as kdelay capture -p PID; see kdelay --help',
    );
  }
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const text = rephrase(first);
  const meant = /\(Did you mean (.+)\?\)/.exec(suggestion ?? '')?.[1];
  return new KdelayError(
    'INVALID_ARGUMENT',
    text,
    meant === undefined ? 'see kdelay --help' : `did you mean ${meant}?`,
  );
}

const phrases: ReadonlyArray<readonly [RegExp, string]> = [
  [/^unknown option '(.*)'$/s, '$1: unknown option'],
  [/^unknown command '(.*)'$/s, '$1: unknown command'],
  [/^option '(?:-\w, )?(--[\w-]+).*' argument missing$/, '$1: its value is missing'],
];

function rephrase(message: string): string {
  for (const [pattern, phrase] of phrases) if (pattern.test(message)) return message.replace(pattern, phrase);
  return `usage: ${message}`;
}
