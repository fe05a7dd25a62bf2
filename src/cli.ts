#!/usr/bin/env node
import { exitCodes } from './errors.js';
import { reportFailure } from './messages.js';
import { version } from './package.js';

// stderr closed early must not turn a good run into a failed one.
process.stderr.on('error', () => undefined);
// Help into a pager that was left early is no failure either.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exitCode = exitCodes.IO;
});
// A defect outside the awaited run, such as in a listener: the window can no longer be trusted.
process.on('uncaughtException', (error) => process.exit(reportFailure(process.stderr, error, false)));
const args = process.argv.slice(2);
// Not process.exit(): what is still buffered for a pipe would be lost.
// An error that stdout reported meanwhile keeps its exit code.
const exitCode = await answer();
process.exitCode ??= exitCode;

/** Whoever asks for the version alone, as scripts do, need not wait for the rest to be loaded. */
async function answer(): Promise<number> {
  if (args.length === 1 && (args[0] === '-V' || args[0] === '--version')) {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  const { run } = await import('./run.js');
  return run(args, process);
}
