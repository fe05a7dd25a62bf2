import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openOutput } from '../../../src/cli/terminal/output.js';
import { KdelayError } from '../../../src/errors.js';
import { ended } from '../../helpers/child.js';
import { Collector, FailingStream } from '../../helpers/streams.js';

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kdelay-output-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const stdout = new Collector();

test('without a file it is stdout', async (t) => {
  const stream = new Collector();
  const output = await openOutput(null, stream);
  t.true(await output.write('a'));
  t.true(await output.write('b'));
  await output.close();
  t.is(stream.text, 'ab');
});

test('a reader that left is no error', async (t) => {
  const output = await openOutput(null, new FailingStream('EPIPE', -32));
  t.false(await output.write('a'));
  await output.close();
});

test('a full disk behind stdout is one', async (t) => {
  const output = await openOutput(null, new FailingStream('ENOSPC', -28));
  const error = await t.throwsAsync(output.write('a'), { instanceOf: KdelayError });
  t.is(error.code, 'IO');
  t.is(error.message, 'standard output: no space left on device');
});

test('a file holds what was written in order', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'report');
    const output = await openOutput(path, stdout);
    await output.write('first\n');
    await output.write('second\n');
    await output.close();
    t.is(await readFile(path, 'utf8'), 'first\nsecond\n');
  });
});

test('former content is replaced, but only once there is something to write', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'report');
    await writeFile(path, 'a long former report');
    const output = await openOutput(path, stdout);
    await output.write('');
    t.is(await readFile(path, 'utf8'), 'a long former report');
    await output.write('new');
    await output.close();
    t.is(await readFile(path, 'utf8'), 'new');
  });
});

test('a new file that got nothing is not left behind', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'report');
    await (await openOutput(path, stdout)).close();
    await t.throwsAsync(stat(path), { code: 'ENOENT' });
  });
});

test('an old file that got nothing stays', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'report');
    await writeFile(path, 'old');
    await (await openOutput(path, stdout)).close();
    t.is(await readFile(path, 'utf8'), 'old');
  });
});

const unopenable: Array<[string, (folder: string) => string, string]> = [
  ['a folder', (folder) => folder, 'illegal operation on a directory'],
  ['a missing folder', (folder) => join(folder, 'none', 'report'), 'no such file or directory'],
];

for (const [title, path, why] of unopenable) {
  test(`${title} is refused when opened`, async (t) => {
    await inFolder(async (folder) => {
      const file = path(folder);
      const error = await t.throwsAsync(openOutput(file, stdout), { instanceOf: KdelayError });
      t.is(error.code, 'IO');
      t.is(error.message, `${file}: ${why}`);
      t.truthy(error.hint);
    });
  });
}

test('a full disk is an error when written', async (t) => {
  const output = await openOutput('/dev/full', stdout);
  const error = await t.throwsAsync(output.write('a'), { instanceOf: KdelayError });
  t.is(error.message, '/dev/full: no space left on device');
  await output.close();
});

test('a device can be written', async (t) => {
  const output = await openOutput('/dev/null', stdout);
  t.true(await output.write('a'));
  await output.close();
});

test('a named pipe: what is written arrives in order, and a reader that left is no error', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'pipe');
    spawnSync('mkfifo', [path]);
    const reader = spawn('head', ['-n', '2', path]);
    const output = await openOutput(path, stdout);
    t.true(await output.write('first\n'));
    t.true(await output.write('second\n'));
    t.is((await ended(reader)).stdout, 'first\nsecond\n');
    t.false(await output.write('third\n'));
    await output.close();
  });
});

test('a file is kept at each place where it may end, until it is closed', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'report');
    await writeFile(path, 'a long former report');
    const kept: Array<{ length: number; end: string } | null> = [];
    const output = await openOutput(path, stdout, (file) => {
      kept.push(file === null ? null : { length: file.length, end: file.end });
    });
    output.keep(() => '[]');
    t.is(await readFile(path, 'utf8'), 'a long former report');
    await output.write('[1');
    await output.write(', "ä"');
    output.keep(() => ']');
    await output.write(', 3');
    await output.close();
    t.deepEqual(kept, [{ length: 0, end: '[]' }, { length: 8, end: ']' }, null]);
  });
});

test('what cannot be taken back is not kept, and needs no end', async (t) => {
  await inFolder(async (folder) => {
    const pipe = join(folder, 'pipe');
    spawnSync('mkfifo', [pipe]);
    const read = ended(spawn('cat', [pipe]));
    for (const path of [null, pipe, '/dev/null']) {
      const output = await openOutput(path, new Collector(), () => t.fail());
      output.keep(() => t.fail());
      await output.write('a');
      await output.close();
    }
    t.is((await read).stdout, 'a');
  });
});

test('a file of which nothing was kept asks for nothing', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'report');
    const output = await openOutput(path, stdout, () => t.fail());
    await output.write('a');
    await output.close();
    t.is(await readFile(path, 'utf8'), 'a');
  });
});
