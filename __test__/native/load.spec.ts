import test from 'ava';
import { KdelayError } from '../../src/errors.js';
import { load } from '../../src/native/index.js';
import { fakeNative } from '../helpers/fake-native.js';

const module = fakeNative();
const folder = '/nowhere/native/';

function requiring(available: string, asked: string[]): (id: string) => unknown {
  return (id) => {
    asked.push(id);
    if (id === available) return module;
    throw new Error(`Cannot find module '${id}'\nRequire stack:`);
  };
}

const gnu = `linux-${process.arch}-gnu`;
const musl = `linux-${process.arch}-musl`;
const order = [
  `${folder}kdelay.${gnu}.node`,
  `@kdelay/native-${gnu}`,
  `${folder}kdelay.${musl}.node`,
  `@kdelay/native-${musl}`,
];

for (const [index, id] of order.entries()) {
  test(`${id} is found as number ${index + 1}`, (t) => {
    const asked: string[] = [];
    t.is(load(requiring(id, asked), folder), module);
    t.deepEqual(asked, order.slice(0, index + 1));
  });
}

test('without any the error says what was tried and why each failed', (t) => {
  const error = t.throws(() => load(requiring('', []), folder), { instanceOf: KdelayError });
  t.is(error.code, 'NATIVE_MODULE_MISSING');
  const lines = error.hint?.split('\n') ?? [];
  t.regex(lines[0] ?? '', new RegExp(`npm install ${order[1]}@\\d`));
  t.is(lines[2], `${order[0]}: no such file`);
  t.is(lines[3], `${order[1]}: Cannot find module '${order[1]}'`);
  t.is(lines.length, 6);
});

for (const [platform, arch] of [
  ['linux', 's390x'],
  ['darwin', 'arm64'],
] as const) {
  test(`on ${platform} and ${arch} the error says that there is no package`, (t) => {
    const error = t.throws(() => load(requiring('', []), folder, { platform, arch }), {
      instanceOf: KdelayError,
    });
    t.is(error.code, 'NATIVE_MODULE_MISSING');
    t.is(error.message, `native module: there is none for ${platform} on ${arch}`);
    t.regex(error.hint ?? '', /x64 and arm64/);
  });
}
