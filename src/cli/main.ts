/** The command line, but for its version: from the arguments to an exit code. */
import v8 from 'node:v8';
import { keepDebuggerClosed } from './debugger.js';
import { run, wantsStack } from './run.js';
import { reportFailure } from './terminal/messages.js';

export async function main(args: readonly string[]): Promise<void> {
  letObjectsDieYoung();
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

/** The newest V8 that has been tried: one that does not know the flag any more would say so on stderr. */
const newestV8 = 14;

/**
 * A report's objects live for a moment. V8 may take the first ones of a kind for long-lived, and then puts all that follow among the old,
 * where hundreds of MB of them wait to be collected.
 */
function letObjectsDieYoung(): void {
  if (Number.parseInt(process.versions.v8, 10) > newestV8) return;
  v8.setFlagsFromString('--no-allocation-site-pretenuring');
}
