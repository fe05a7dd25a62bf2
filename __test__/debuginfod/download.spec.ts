import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { download } from '../../src/debuginfod/download.js';

/** As DEBUGINFOD_TIMEOUT and DEBUGINFOD_MAXTIME may have it: of twelve digits. */
const longestS = 999_999_999_999;

for (const [title, timeout, maxTime] of [
  ['time without progress', longestS, 600],
  ['time for one file', 90, longestS],
  ['of either', longestS, longestS],
] as const) {
  test(`a limit that no timer can hold is no limit of a millisecond: ${title}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'kdelay-download-'));
    const server = createServer((_, response) => void setTimeout(() => response.end('file'), 100));
    t.teardown(() => {
      server.close();
      rmSync(folder, { recursive: true });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const file = join(folder, 'file');
    const limits = { timeout, maxTime, maxBytes: 1000 };
    t.true(await download(new URL(`http://127.0.0.1:${port}/`), async () => file, limits));
    t.is(readFileSync(file, 'utf8'), 'file');
  });
}
