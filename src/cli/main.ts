/** The command line, but for its version: from the arguments to an exit code. */

import { keepDebuggerClosed } from './debugger.js';
import { run, wantsStack } from './run.js';
import { reportFailure } from './terminal/messages.js';

export async function main(args: readonly string[]): Promise<void> {
  await keepDebuggerClosed();
  // stderr closed early must not turn a good run into a failed one.
  process.stderr.on('error', () => undefined);
  // A defect outside the awaited run, such as in a listener: the window can no longer be trusted.
  process.on('uncaughtException', (error) =>
    process.exit(reportFailure(process.stderr, error, wantsStack(args))),
  );
  // Not process.exit(): what is still buffered for a pipe would be lost.
  // An error that stdout reported meanwhile keeps its exit code.
  const exitCode = await run(args, process);
  process.exitCode ??= exitCode;
}
