/** Debug files from a real server, as Debian packages it, and from servers that are none; and what reports say of missing names. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { Report, Sample } from '../../src/index.js';
import { assertRefused, cli, type Ran, run, runMeanwhile } from './cli.js';
import { Programs } from './programs.js';

const programs = new Programs();
const at = (name: string) => join(programs.folder, name);
test.after.always(() => programs.end());

const source = `
#include <time.h>
volatile int sink;
__attribute__((noinline)) static int inner(int x) { struct timespec t = { 0, 3000000 }; nanosleep(&t, 0); return x + sink; }
static inline __attribute__((always_inline)) int inlined(int x) { return inner(x) * 3; }
__attribute__((noinline)) static int outer(int x) { sink = inlined(x) + 5; return sink; }
int main() { for (int i = 0;; i++) sink = outer(i); }`;

/** Stripped; its debug file is where only a server looks. */
function compile(): { program: string; debug: string; id: string } {
  const [program, debug] = [at('program'), at('served/program.debug')];
  mkdirSync(at('served'));
  writeFileSync(at('program.c'), source);
  const options = ['-O2', '-g', '-fomit-frame-pointer', '-Wl,--build-id=sha1'];
  execFileSync('gcc', [...options, '-o', program, at('program.c')]);
  execFileSync('objcopy', ['--only-keep-debug', program, debug]);
  execFileSync('strip', [program]);
  const notes = execFileSync('readelf', ['-n', program], { encoding: 'utf8' });
  return { program, debug, id: /Build ID: ([0-9a-f]+)/.exec(notes)?.[1] ?? '' };
}

const { program, debug, id } = compile();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Until the server has found the file in its folder; it says nothing then. */
async function debuginfod(): Promise<{ url: string; end: () => Promise<void> }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ['-F', at('served'), '-d', ':memory:', '-p', String(port)];
  const server = spawn('debuginfod', args, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  for (let tries = 0; tries < 300; tries++) {
    const answer = await fetch(`${url}/buildid/${id}/debuginfo`).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.status === 200) break;
    if (server.exitCode !== null) throw new Error(`debuginfod ended with ${server.exitCode}`);
    await delay(100);
  }
  return {
    url,
    async end() {
      server.kill();
      await ended;
    },
  };
}

let caches = 0;
const newCache = () => at(`cache-${++caches}`);

/** With a folder for debug files of its own. */
async function captured(
  environment: Record<string, string>,
  ...args: string[]
): Promise<Ran & { sample: Sample }> {
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const all = [...words, process.execPath, cli, 'capture', '-f', 'json', '-s', '1000000', ...args];
  const ran = await runMeanwhile('env', all);
  if (ran.status !== 0) throw new Error(ran.stderr);
  const [sample] = (JSON.parse(ran.stdout) as Report).samples;
  return { ...ran, sample: sample as Sample };
}

/** Of the program's own functions, of all calls; unnamed ones are left out. */
function functions({ syscallEvents }: Sample): Set<string> {
  const frames = syscallEvents.flatMap(({ userStack }) => userStack);
  const own = frames.filter(({ module }) => module === program);
  return new Set(own.flatMap(({ symbol }) => (symbol === null ? [] : [symbol])));
}

test.serial('a stripped program gets its names and lines from a debuginfod server', async (t) => {
  const pid = await programs.start(program);
  const server = await debuginfod();
  const DEBUGINFOD_CACHE_PATH = newCache();
  const environment = { DEBUGINFOD_URLS: server.url, DEBUGINFOD_CACHE_PATH };
  const file = join(DEBUGINFOD_CACHE_PATH, id, 'debuginfo');

  const without = await captured(environment, '-p', String(pid));
  t.deepEqual(functions(without.sample), new Set());
  t.false(existsSync(DEBUGINFOD_CACHE_PATH));

  const { sample, stderr } = await captured(environment, '-p', String(pid), '--debuginfod');
  const named = functions(sample);
  for (const name of ['inner', 'inlined', 'outer', 'main']) t.true(named.has(name), name);
  const frame = sample.syscallEvents[0]?.userStack.find(({ symbol }) => symbol === 'inlined');
  t.regex(frame?.file ?? '', /\/program\.c$/);
  t.is(frame?.line, 5);
  t.true(frame?.inlined);
  t.deepEqual(sample.stackProblems, []);
  t.regex(stderr, /^kdelay: note: .* missing: asking debuginfod$/m);
  t.deepEqual(readFileSync(file), readFileSync(debug));
  t.deepEqual(readdirSync(join(DEBUGINFOD_CACHE_PATH, id)), ['debuginfo']);

  // The file is there now: nobody is asked. Other clients find it, too.
  await server.end();
  const again = await captured(environment, '-p', String(pid), '--debuginfod');
  t.true(functions(again.sample).has('inner'));
  const found = run('env', [
    `DEBUGINFOD_CACHE_PATH=${DEBUGINFOD_CACHE_PATH}`,
    `DEBUGINFOD_URLS=${server.url}`,
    'debuginfod-find',
    'debuginfo',
    id,
  ]);
  t.is(found.stdout.trim(), file, found.stderr);
});

test.serial(
  'a file that another client has fetched is found, and one that is broken is fetched again',
  async (t) => {
    const pid = await programs.start(program);
    const server = await debuginfod();
    const DEBUGINFOD_CACHE_PATH = newCache();
    const environment = { DEBUGINFOD_URLS: server.url, DEBUGINFOD_CACHE_PATH };
    const file = join(DEBUGINFOD_CACHE_PATH, id, 'debuginfo');
    mkdirSync(join(DEBUGINFOD_CACHE_PATH, id), { recursive: true });
    // What elfutils leaves where no server has the file.
    writeFileSync(file, '');
    chmodSync(file, 0);
    const { sample } = await captured(environment, '-p', String(pid), '--debuginfod');
    t.true(functions(sample).has('inner'));
    t.deepEqual(sample.stackProblems, []);
    await server.end();
  },
);

/** What it sends, and the one line that the report says of it. */
const hostile: Array<[string, (path: string) => Buffer | number | null, RegExp]> = [
  ['nothing', () => null, /it sends nothing for 1 s/],
  ['garbage', () => Buffer.from('garbage'), /it sends something else than the debug file/],
  ['another program’s', () => readFileSync('/bin/true'), /it sends something else than the debug file/],
  ['too much', () => Buffer.alloc(1 << 20), /a file has more than 100000 bytes/],
  ['errors', () => 500, /it answers with status 500/],
];

for (const [what, answer, problem] of hostile) {
  test.serial(`a server that sends ${what} costs the names and nothing else`, async (t) => {
    const pid = await programs.start(program);
    const server = createServer((request, response) => {
      const sent = answer(request.url ?? '');
      if (sent === null) return;
      if (typeof sent === 'number') response.writeHead(sent).end();
      else response.end(sent);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const DEBUGINFOD_CACHE_PATH = newCache();
    const environment = {
      DEBUGINFOD_CACHE_PATH,
      DEBUGINFOD_URLS: `http://127.0.0.1:${port}`,
      DEBUGINFOD_TIMEOUT: '1',
      DEBUGINFOD_MAXSIZE: '100000',
    };
    const { sample, stderr } = await captured(environment, '-p', String(pid), '--debuginfod');
    server.close();
    server.closeAllConnections();
    t.true(sample.syscallEvents.length > 10);
    t.deepEqual(functions(sample), new Set());
    t.is(sample.stackProblems.length, 1);
    t.regex(sample.stackProblems[0] ?? '', problem);
    t.regex(stderr, problem);
    const left = existsSync(DEBUGINFOD_CACHE_PATH) ? readdirSync(DEBUGINFOD_CACHE_PATH) : [];
    t.deepEqual(left, []);
  });
}

test.serial('without servers the option is refused', (t) => {
  for (const urls of ['DEBUGINFOD_URLS=', 'DEBUGINFOD_URLS= ']) {
    const ran = run('env', [urls, process.execPath, cli, 'capture', '-p', '1', '-s', '--debuginfod']);
    assertRefused(t, ran, 64, /^kdelay: --debuginfod: DEBUGINFOD_URLS names no server to ask$/);
  }
});

test.serial('a debug file that is not intact is told of', async (t) => {
  const folder = `/usr/lib/debug/.build-id/${id.slice(0, 2)}`;
  const file = join(folder, `${id.slice(2)}.debug`);
  const hadFolder = existsSync(folder);
  mkdirSync(folder, { recursive: true });
  const pid = await programs.start(program);
  try {
    copyFileSync('/bin/true', file);
    const { sample } = await captured({}, '-p', String(pid));
    t.deepEqual(sample.stackProblems, [
      `${program}: its debug file ${file} is not of this build, or not intact`,
    ]);
  } finally {
    rmSync(hadFolder ? file : folder, { recursive: true });
  }
});

test.serial('symbols that the kernel hides are told of, in JSON, in text and on stderr', async (t) => {
  const pid = await programs.start(program);
  const limited = async (...args: string[]) => {
    const command = [process.execPath, cli, 'capture', '-p', String(pid), '-s', '1000000', ...args];
    const quoted = 'exec "$@"';
    const ran = await runMeanwhile('capsh', ['--drop=cap_syslog', '--', '-c', quoted, 'sh', ...command]);
    t.is(ran.status, 0, ran.stderr);
    return ran;
  };
  const json = await limited('-f', 'json');
  const [sample] = (JSON.parse(json.stdout) as Report).samples;
  const line = /^kernel symbols: \/proc\/kallsyms has no addresses: it takes CAP_SYSLOG, /;
  t.is(sample?.stackProblems.length, 1);
  t.regex(sample?.stackProblems[0] ?? '', line);
  t.regex(json.stderr, /^kdelay: warning: stacks: kernel symbols: /m);
  const waits = sample?.syscallEvents.filter(({ kernelStack }) => kernelStack.length > 0) ?? [];
  t.true(waits.length > 0);
  for (const { kernelStack } of waits)
    for (const { symbol, address } of kernelStack) t.deepEqual([symbol, /^0x/.test(address)], [null, true]);
  const text = await limited();
  t.regex(text.stdout, /^# WARNING: stacks: kernel symbols: \/proc\/kallsyms has no addresses: .*\.$/m);
});
