/**
 * Who installs kdelay compiles against its declarations, with `skipLibCheck` off: no type that they name may be missing, and none
 * may be `any` instead. The package is packed as it is published, and nothing but the types of Node.js is beside it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kdelay-consumer-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const compilerOptions = {
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
  types: ['node'],
};

test.before(() => {
  const kdelay = join(folder, 'node_modules/kdelay');
  mkdirSync(kdelay, { recursive: true });
  mkdirSync(join(folder, 'node_modules/@types'));
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const archive = execFileSync('npm', args, { cwd: root, encoding: 'utf8' }).trim();
  execFileSync('tar', ['-xzf', join(folder, archive), '--strip-components=1', '-C', kdelay]);
  for (const name of ['@types/node', 'undici-types', 'expect-type'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  copyFileSync(join(root, '__test__/types/public-api.ts'), join(folder, 'public-api.ts'));
});

for (const [module, moduleResolution] of [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
]) {
  test(`with module resolution ${moduleResolution}`, (t) => {
    const config = join(folder, `tsconfig.${moduleResolution}.json`);
    const options = { ...compilerOptions, module, moduleResolution };
    writeFileSync(config, JSON.stringify({ compilerOptions: options, files: ['public-api.ts'] }));
    const { status, stdout, error } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], {
      encoding: 'utf8',
    });
    t.is(error, undefined);
    t.is(status, 0, stdout);
  });
}
