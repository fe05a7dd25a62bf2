/** Loads the native module on first use, so that --help, --version and usage errors need none. No other folder loads it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { KdelayError } from '../errors.js';
import { packageRoot, version } from '../package.js';
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
  | 'isDebugFileOf'
  | 'exitAtSecondSignal'
  | 'keepAtSecondSignal'
  | 'doctor'
>;

let loaded: NativeModule | undefined;

/** The native module. Throws NATIVE_MODULE_MISSING. */
export function native(): NativeModule {
  loaded ??= load(createRequire(import.meta.url), fileURLToPath(new URL('native/', packageRoot)));
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
export function load(
  require: (id: string) => unknown,
  folder: string,
  { platform, arch }: { platform: string; arch: string } = process,
): NativeModule {
  const failures: string[] = [];
  for (const libc of ['gnu', 'musl']) {
    const target = `linux-${arch}-${libc}`;
    for (const id of [`${folder}kdelay.${target}.node`, `@kdelay/native-${target}`]) {
      try {
        return require(id) as NativeModule;
      } catch (error) {
        const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
        const missing = id.startsWith(folder) && !existsSync(id);
        failures.push(missing ? `${id}: no such file` : `${id}: ${why}`);
      }
    }
  }
  throw missing(platform, arch, failures);
}

/** Why there is none, and what to install. */
function missing(platform: string, arch: string, failures: readonly string[]): KdelayError {
  if (platform !== 'linux' || !architectures.includes(arch)) {
    return new KdelayError(
      'NATIVE_MODULE_MISSING',
      `native module: there is none for ${platform} on ${arch}`,
      `kdelay runs on Linux, on ${architectures.join(' and ')}`,
    );
  }
  const name = `@kdelay/native-linux-${arch}-${libcOfNode()}`;
  return new KdelayError(
    'NATIVE_MODULE_MISSING',
    'native module: the package of this platform is not installed',
    [
      `npm leaves it out with --omit=optional, and by a lock file from another platform; install it beside kdelay: npm install ${name}@${version} (with -g if kdelay is global; in a clone: npm run setup)`,
      'tried:',
      ...failures,
    ].join('\n'),
  );
}

const architectures: readonly string[] = ['x64', 'arm64'];

/** Takes some ms: not for every start. */
function libcOfNode(): 'gnu' | 'musl' {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
}
