/**
 * The CLI with a fake native module, as a process of its own: for signals and broken pipes. FAKE_WINDOW says how windows
 * end. Each call of the module is a line on stderr, so that a test can wait for it.
 */
import { replaceNative } from '../../src/native/index.js';
import { fakeNative, type WindowScript } from './fake-native.js';

const how = (process.env['FAKE_WINDOW'] ?? 'time') as WindowScript;
replaceNative(fakeNative({ windows: [how], log: (line) => process.stderr.write(`fake: ${line}\n`) }));
await import('../../src/cli.js');
