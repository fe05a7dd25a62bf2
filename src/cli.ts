#!/usr/bin/env node
import { exitCodes } from './errors.js';
import { reportFailure } from './messages.js';
import { run } from './run.js';

// stderr closed early must not turn a good run into a failed one.
process.stderr.on('error', () => undefined);
// Help into a pager that was left early is no failure either.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exitCode = exitCodes.IO;
});
// A defect outside the awaited run, such as in a listener: the window can no longer be trusted.
process.on('uncaughtException', (error) => process.exit(reportFailure(process.stderr, error, false)));
// Not process.exit(): what is still buffered for a pipe would be lost.
// An error that stdout reported meanwhile keeps its exit code.
const exitCode = await run(process.argv.slice(2), process);
process.exitCode ??= exitCode;
