/**
 * Makes dist/: the command line and the library, each one file with what it needs, and what both need in files beside them.
 * Nothing is imported from node_modules at run time. `tsc` writes the declarations.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['src/cli.ts', 'src/index.ts'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  // Less to read at each start; stack traces keep their names.
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  chunkNames: '[name]-[hash]',
  // Of the packages that are no ES modules.
  banner: {
    js: "import { createRequire as createRequireOf } from 'node:module';const require = createRequireOf(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
});

// What scripts/packages/ names the licenses of.
mkdirSync(`${root}target/packages`, { recursive: true });
writeFileSync(`${root}target/packages/bundle.json`, JSON.stringify(metafile));
