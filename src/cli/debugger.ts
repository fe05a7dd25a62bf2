/**
 * Node opens its debugger in a process that gets SIGUSR1: on loopback, without a password, for everybody on the machine to run code with
 * the process's rights. kdelay has rights that others have not.
 */
import inspector from 'node:inspector';
import { setImmediate } from 'node:timers/promises';

/** From the call on; one that was opened before is closed, unless the command line that started Node asks for it. */
export async function keepDebuggerClosed(): Promise<void> {
  // In the place of Node's own.
  process.on('SIGUSR1', () => undefined);
  if (isAskedFor()) return;
  closeDebugger();
  // What a signal before that has set going is done in the loop's next turn, or, where Node's thread for it gets no CPU, later.
  await setImmediate();
  closeDebugger();
  setTimeout(closeDebugger, 1000).unref();
}

function closeDebugger(): void {
  if (inspector.url() !== undefined) inspector.close();
}

function isAskedFor(): boolean {
  const options = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
  return options.some((option) => /^--inspect(-brk|-wait)?(=|$)/.test(option));
}
