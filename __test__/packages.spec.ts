/** The packages of the native module, one per platform. */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';

const root = new URL('../', import.meta.url);
const manifest = (folder: string) => JSON.parse(readFileSync(new URL(`${folder}package.json`, root), 'utf8'));

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
