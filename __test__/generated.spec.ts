import { readFile } from 'node:fs/promises';
import test from 'ava';
import { generatedFiles } from '../scripts/build-docs.js';

for (const { name, path, render } of generatedFiles) {
  test(`${path} is what npm run build:${name} writes`, async (t) => {
    t.is(await readFile(new URL(`../${path}`, import.meta.url), 'utf8'), await render());
  });
}
