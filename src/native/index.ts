/** Loads the native module on first use, so that --help, --version and usage errors need none. No other folder loads it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { KdelayError } from '../errors.js';
import type * as Binding from './binding.js';

export { awaitNative, callNative } from './errors.js';
export type { Binding };

/** What the module exports. */
export type NativeModule = Pick<
  typeof Binding,
  | 'BindingSession'
  | 'BindingCommand'
  | 'inspectProcess'
  | 'findProcesses'
  | 'busyProcesses'
  | 'listProbes'
  | 'doctor'
>;

let loaded: NativeModule | undefined;

/** The native module. Throws NATIVE_MODULE_MISSING. */
export function native(): NativeModule {
  loaded ??= load(createRequire(import.meta.url), fileURLToPath(new URL('../../native/', import.meta.url)));
  return loaded;
}

/** Puts a stand-in in the module's place, for tests; undefined: load the real one on next use. */
export function replaceNative(standIn: NativeModule | undefined): void {
  loaded = standIn;
}

/**
 * The module built in the package's own folder comes first, then the one npm installed for this platform. The libc is
 * not looked up: loading the wrong one fails, and the next is tried.
 */
export function load(require: (id: string) => unknown, folder: string): NativeModule {
  const failures: string[] = [];
  for (const libc of ['gnu', 'musl']) {
    const platform = `linux-${process.arch}-${libc}`;
    for (const id of [`${folder}kdelay.${platform}.node`, `@kdelay/native-${platform}`]) {
      try {
        return require(id) as NativeModule;
      } catch (error) {
        const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
        const missing = id.startsWith(folder) && !existsSync(id);
        failures.push(missing ? `${id}: no such file` : `${id}: ${why}`);
      }
    }
  }
  throw new KdelayError(
    'NATIVE_MODULE_MISSING',
    `native module: none could be loaded for ${process.platform}-${process.arch}`,
    [
      'build it with `npm run setup`, or reinstall kdelay with optional dependencies; tried:',
      ...failures,
    ].join('\n'),
  );
}
