/**
 * The CLI with a fake native module, as a process of its own: for signals and broken pipes. FAKE_WINDOW says how windows
 * end. Each call of the module is a line on stderr, so that a test can wait for it. FAKE_DEFECT: a listener throws once the first
 * window is open. FAKE_SLOW_OPEN: the session is opened only after the first signal. FAKE_NEVER_BEGINS: a command that is
 * released does not begin.
 */
import { replaceNative } from '../../src/native/index.js';
import { fakeNative, type WindowScript } from './fake-native.js';

const how = (process.env['FAKE_WINDOW'] ?? 'time') as WindowScript;
const log = (line: string) => {
  process.stderr.write(`fake: ${line}\n`);
  if (process.env['FAKE_DEFECT'] !== undefined && line.startsWith('start')) {
    setImmediate(() => {
      throw new TypeError('boom');
    });
  }
};

async function firstSignal(): Promise<void> {
  const alive = setInterval(() => undefined, 1000);
  await new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve());
  });
  clearInterval(alive);
}

const opening = process.env['FAKE_SLOW_OPEN'] === undefined ? Promise.resolve() : firstSignal();
const neverBegins = process.env['FAKE_NEVER_BEGINS'] !== undefined;
replaceNative(fakeNative({ windows: [how], log, opening, neverBegins }));
await import('../../src/cli.js');
