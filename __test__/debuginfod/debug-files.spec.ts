/** Servers of every sort, on ports that the kernel chooses: what they send, and what becomes of it. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { DebugFiles } from '../../src/debuginfod/debug-files.js';
import type { DebugServers } from '../../src/debuginfod/settings.js';

const id = '0123456789abcdef0123456789abcdef01234567';
const ids = Array.from({ length: 9 }, (_, number) => `${number}`.repeat(40));

const servers: Server[] = [];
const folders: string[] = [];
test.after.always(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  for (const folder of folders) rmSync(folder, { recursive: true });
});

interface Running {
  url: URL;
  /** Paths that were asked for. */
  asked: string[];
}

async function serve(listener: RequestListener): Promise<Running> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/`), asked };
}

const sending = (text: string | Buffer) => serve((_, response) => response.end(text));

function client(urls: URL[], over: Partial<DebugServers> = {}): { files: DebugFiles; cache: string } {
  const cache = mkdtempSync(join(tmpdir(), 'kdelay-debuginfod-'));
  folders.push(cache);
  const settings = { urls, cache, timeout: 30, maxTime: 0, maxBytes: 1 << 20, ...over };
  const isIt = async (file: string, buildId: string) =>
    readFileSync(file, 'utf8') === `debug file of ${buildId}`;
  return { files: new DebugFiles(settings, isIt), cache };
}

const honest: RequestListener = ({ url }, response) =>
  response.end(`debug file of ${/^\/buildid\/([0-9a-f]+)\/debuginfo$/.exec(url ?? '')?.[1]}`);

test('a file is kept whole, under the name that all clients know, and for its owner', async (t) => {
  const { url } = await serve(honest);
  const { files, cache } = client([url]);
  await files.fetch([id]);
  const file = join(cache, id, 'debuginfo');
  t.is(readFileSync(file, 'utf8'), `debug file of ${id}`);
  t.is(statSync(file).mode & 0o777, 0o400);
  t.deepEqual(readdirSync(join(cache, id)), ['debuginfo']);
  t.deepEqual(files.takeProblems(), []);
});

test('a path of the server’s stays in front', async (t) => {
  const server = await sending('');
  await client([new URL('/mirror/', server.url)]).files.fetch([id]);
  t.deepEqual(server.asked, [`/mirror/buildid/${id}/debuginfo`]);
});

test('that a server does not have a file is no problem, and it is not asked again', async (t) => {
  const { url, asked } = await serve((_, response) => response.writeHead(404).end('no'));
  const { files, cache } = client([url]);
  await files.fetch([id]);
  await files.fetch([id]);
  t.is(asked.length, 1);
  t.deepEqual(files.takeProblems(), []);
  t.deepEqual(readdirSync(cache), []);
});

test('what is no build id goes into no URL and no path', async (t) => {
  const { url, asked } = await serve(honest);
  const { files, cache } = client([url]);
  await files.fetch(['', '..', '../../../etc', 'abcd', 'AB'.repeat(20), `${id}0`, `${id}/`, 'ab'.repeat(65)]);
  t.deepEqual(asked, []);
  t.deepEqual(readdirSync(cache), []);
});

test('the next server is asked where one has nothing or fails', async (t) => {
  const [empty, broken, good] = [
    await serve((_, response) => response.writeHead(404).end()),
    await serve((_, response) => response.writeHead(500).end()),
    await serve(honest),
  ];
  const { files, cache } = client([empty.url, broken.url, good.url]);
  await files.fetch([id]);
  t.true(existsSync(join(cache, id, 'debuginfo')));
  t.deepEqual(files.takeProblems(), [`debuginfod: ${broken.url.origin}: it answers with status 500`]);
});

/** Nothing of it is kept, and somebody hears of it. */
const hostile: Array<[string, RequestListener, RegExp, Partial<DebugServers>?]> = [
  ['garbage', (_, response) => response.end('garbage'), /it sends something else than the debug file/],
  ['an error', (_, response) => response.writeHead(500).end('oops'), /it answers with status 500/],
  [
    'too much',
    (_, response) => void Readable.from(endless()).pipe(response),
    /a file has more than 1048576 bytes/,
  ],
  [
    'too much in a small pack',
    (_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(2 << 20))),
    /a file has more than 1048576 bytes/,
  ],
  [
    'less than it says',
    (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('debug file of', () => response.destroy());
    },
    /127\.0\.0\.1:\d+: ./,
  ],
  ['nothing at all', (request) => request.socket.destroy(), /127\.0\.0\.1:\d+: ./],
  ['no answer', () => undefined, /it sends nothing for 1 s/, { timeout: 1 }],
  ['a drop now and then', (_, response) => void drip(response), /it sends nothing for 1 s/, { timeout: 1 }],
  [
    'a stream without end',
    (_, response) => void stream(response),
    /it takes longer than 1 s/,
    { maxTime: 1, maxBytes: 1e12 },
  ],
];

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(1 << 16);
}

function drip(response: Parameters<RequestListener>[1]): void {
  const timer = setInterval(() => response.write('.'), 50);
  response.on('close', () => clearInterval(timer));
}

/** Fast enough not to be taken for dead. */
function stream(response: Parameters<RequestListener>[1]): void {
  const timer = setInterval(() => response.write(Buffer.alloc(1 << 16)), 5);
  response.on('close', () => clearInterval(timer));
}

for (const [what, listener, problem, over] of hostile) {
  test(`a server that sends ${what} is told of, and nothing of it is kept`, async (t) => {
    const { url } = await serve(listener);
    const { files, cache } = client([url], over);
    await files.fetch([id]);
    const [line = '', ...others] = files.takeProblems();
    t.regex(line, problem);
    t.true(line.startsWith('debuginfod: http://127.0.0.1:'), line);
    t.deepEqual(others, []);
    t.deepEqual(readdirSync(cache), []);
  });
}

test('a server that fails again and again is left alone', async (t) => {
  const { url, asked } = await serve((_, response) => response.writeHead(500).end());
  const { files } = client([url]);
  for (const next of ids) await files.fetch([next]);
  t.is(asked.length, 3);
  t.deepEqual(files.takeProblems(), [`debuginfod: ${url.origin}: it answers with status 500 (3 files)`]);
  t.deepEqual(files.takeProblems(), []);
});

test('one that does not answer is not waited for again', async (t) => {
  const { url, asked } = await serve(() => undefined);
  const { files } = client([url], { timeout: 1 });
  await files.fetch(ids.slice(0, 1));
  await files.fetch(ids.slice(1));
  t.is(asked.length, 1);
});

test('nobody listens', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const url = new URL(`http://127.0.0.1:${port}`);
  const { files } = client([url]);
  await files.fetch([id]);
  t.regex(files.takeProblems()[0] ?? '', /ECONNREFUSED/);
});

test('a folder that cannot be made is a problem, of this machine and not of the server', async (t) => {
  const { url } = await serve(honest);
  const { files, cache } = client([url]);
  const file = join(cache, 'file');
  writeFileSync(file, '');
  const { files: other } = client([url], { cache: file });
  await other.fetch(ids);
  t.deepEqual(other.takeProblems(), [`debuginfod: nothing can be kept in ${file}: ENOTDIR (9 files)`]);
  t.deepEqual(files.takeProblems(), []);
});

test('closing ends the downloads, of those who would go on waiting for a slow server', async (t) => {
  const asked = new AbortController();
  const { url } = await serve(() => asked.abort());
  const { files, cache } = client([url]);
  const fetched = files.fetchMissing(async () => [...ids]);
  await once(asked.signal, 'abort');
  files.close();
  await fetched;
  t.regex(files.takeProblems().join('\n'), /interrupted/);
  t.deepEqual(readdirSync(cache), []);
});

test('an interrupt ends the downloads', async (t) => {
  const controller = new AbortController();
  const { url } = await serve(() => controller.abort());
  const { files, cache } = client([url]);
  await files.fetch(ids, controller.signal);
  const problems = files.takeProblems().join('\n');
  t.regex(problems, /interrupted/);
  t.deepEqual(readdirSync(cache), []);
});

test('names and passwords of servers go to the server only', async (t) => {
  let authorization: string | undefined;
  const { url } = await serve(({ headers }, response) => {
    authorization = headers.authorization;
    response.writeHead(500).end();
  });
  const { files } = client([new URL(`http://me:s%20ecret@${url.host}/x?key=1`)]);
  await files.fetch([id]);
  t.is(authorization, `Basic ${Buffer.from('me:s ecret').toString('base64')}`);
  t.deepEqual(files.takeProblems(), [`debuginfod: ${url.origin}/x: it answers with status 500`]);
});

test('who is in a hurry waits for no download, and none is begun after that', async (t) => {
  const asked = new AbortController();
  const { url } = await serve(() => asked.abort());
  const { files } = client([url]);
  t.false(files.hurry());
  let rounds = 0;
  const fetched = files.fetchMissing(async () => {
    rounds++;
    return [...ids];
  });
  await once(asked.signal, 'abort');
  t.true(files.hurry());
  await fetched;
  t.false(files.hurry());
  t.is(rounds, 1);
});
