/** The packages of the native module, one per platform. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'ava';

const root = new URL('../', import.meta.url);
const manifest = (folder: string) => JSON.parse(readFileSync(new URL(`${folder}package.json`, root), 'utf8'));

const { satisfies }: { satisfies(version: string, range: string): boolean } = createRequire(import.meta.url)(
  'semver',
);

const platforms = ['x64-gnu', 'arm64-gnu', 'x64-musl', 'arm64-musl'];

test('there is one per target, and no other', (t) => {
  t.deepEqual(readdirSync(new URL('npm/', root)).sort(), platforms.map((name) => `linux-${name}`).sort());
  t.is(manifest('').napi.targets.length, platforms.length);
});

for (const platform of platforms) {
  test(`${platform} is installed there only, and has this version`, (t) => {
    const [cpu, libc] = platform.split('-');
    const { name, version, files, main, ...rest } = manifest(`npm/linux-${platform}/`);
    t.is(name, `@kdelay/native-linux-${platform}`);
    t.is(version, manifest('').version);
    t.is(main, `kdelay.linux-${platform}.node`);
    t.deepEqual(files, [main]);
    t.deepEqual(
      { os: rest.os, cpu: rest.cpu, libc: rest.libc },
      { os: ['linux'], cpu: [cpu], libc: [libc === 'gnu' ? 'glibc' : 'musl'] },
    );
  });
}

for (const platform of platforms) {
  test(`the README of ${platform} names its package and kdelay, and no other`, (t) => {
    const text = readFileSync(new URL(`npm/linux-${platform}/README.md`, root), 'utf8');
    t.true(text.startsWith(`# \`@kdelay/native-linux-${platform}\`\n`));
    t.deepEqual(text.match(/@kdelay\/[\w-]+/g), [`@kdelay/native-linux-${platform}`]);
    t.true(text.includes('`kdelay`'));
  });
}

test('every package and page says the same of the oldest Node.js', (t) => {
  const { engines } = manifest('');
  const [oldest] = /\d+/.exec(engines.node) ?? [];
  for (const platform of platforms) t.deepEqual(manifest(`npm/linux-${platform}/`).engines, engines);
  for (const page of ['README.md', 'docs/getting-started.md']) {
    const text = readFileSync(new URL(page, root), 'utf8');
    t.is(/with Node\.js ([\d.]+) or later and/.exec(text)?.[1], oldest, page);
  }
  t.true(readFileSync(new URL('scripts/build-js.ts', root), 'utf8').includes(`target: 'node${oldest}'`));
});

test('the set-up asks for a Node.js that all tools run on, and the pages for the same', (t) => {
  const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'));
  const text = readFileSync(new URL('scripts/setup', root), 'utf8');
  const least = /^least_node=([\d.]+)$/m.exec(text)?.[1] ?? '';
  for (const tool of Object.keys(manifest('').devDependencies)) {
    const { engines } = packages[`node_modules/${tool}`];
    t.true(satisfies(`${least}.0`, engines?.node ?? '*'), `${tool}: ${engines?.node}`);
  }
  for (const page of ['README.md', 'CONTRIBUTING.md'])
    t.regex(readFileSync(new URL(page, root), 'utf8'), new RegExp(`with Node\\.js ${least} `), page);
});
