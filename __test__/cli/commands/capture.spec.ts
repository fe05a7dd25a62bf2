import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { run } from '../../../src/cli/run.js';
import { replaceNative } from '../../../src/native/index.js';
import { type FakeScript, fakeNative, nativeError, noStacksOfCommand } from '../../helpers/fake-native.js';
import { noRawLosses, rawTarget, rawThread } from '../../helpers/raw.js';
import { Collector, FailingStream } from '../../helpers/streams.js';

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  calls: readonly string[];
}

async function capture(script: FakeScript, ...args: string[]): Promise<Ran> {
  const native = fakeNative(script);
  replaceNative(native);
  const stdout = new Collector();
  const stderr = new Collector();
  const code = await run(['capture', ...args], { stdout, stderr });
  return { code, stdout: stdout.text, stderr: stderr.text, calls: native.calls };
}

test.serial('processes of a name that end before they are captured are left out', async (t) => {
  const processes = [rawTarget(100, 'main'), rawTarget(200, 'main'), rawTarget(300, 'main')];
  const args = ['-n', 'main', '--all', '-f', 'json'];
  const ran = await capture({ processes, gone: [200] }, ...args);
  t.is(ran.code, 0, ran.stderr);
  t.is(ran.stderr, 'kdelay: note: 1 of 3 processes had ended before they were captured\n');
  t.regex(
    ran.calls.find((call) => call.startsWith('open ')) ?? '',
    /"pids":\[100,200,300\],"follow":false.*"leaveOutEnded":true/,
  );
  const all = await capture({ processes }, ...args);
  t.is(all.stderr, '');
});

test.serial('a capture by pid opens, samples, prints and closes', async (t) => {
  const { code, stdout, stderr, calls } = await capture({}, '-p', '100');
  t.is(code, 0);
  t.is(stderr, '');
  t.true(stdout.startsWith('# Start sampling @2026-11-24T03:58:11.123456 (03:58:11 UTC)\n'));
  t.deepEqual(calls.slice(-4), [
    `open {"pids":[100],"follow":false,"debugLevel":0,${noStacksOfCommand}}`,
    'start 500000000',
    'read 0',
    'close',
  ]);
});

test.serial('options reach the session', async (t) => {
  const { calls } = await capture(
    {},
    '--pid=100',
    '--follow',
    '-D',
    '--sample-time',
    '2',
    '--sample-count=2',
  );
  t.true(calls.includes(`open {"pids":[100],"follow":true,"debugLevel":1,${noStacksOfCommand}}`));
  t.is(calls.filter((call) => call === 'start 2000000000').length, 2);
});

test.serial('a level given with -D is taken', async (t) => {
  const { calls } = await capture({}, '-p', '100', '-D', '4');
  t.true(calls.includes(`open {"pids":[100],"follow":false,"debugLevel":4,${noStacksOfCommand}}`));
});

test.serial('a name finds its process', async (t) => {
  const { code, calls } = await capture({ processes: [rawTarget(7, 'nginx')] }, '-n', 'nginx');
  t.is(code, 0);
  t.true(calls.includes(`open {"pids":[7],"follow":false,"debugLevel":0,${noStacksOfCommand}}`));
});

test.serial('json is one document with the effective options', async (t) => {
  const { stdout } = await capture(
    {},
    '-p',
    '100,100',
    '-f',
    'json',
    '--sample-count',
    '2',
    '--buffer-page-count',
    '3',
  );
  const report = JSON.parse(stdout);
  t.is(report.samples.length, 2);
  t.deepEqual(report.options.pid, [100]);
  t.is(report.options.bufferPageCount, 4);
  t.is(report.options.sampleTime, 0.5);
  t.is(report.options.command, null);
});

test.serial('ndjson is a header and a line per sample', async (t) => {
  const { stdout } = await capture({}, '-p', '100', '-f', 'ndjson', '--sample-count', '3');
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.is(lines.length, 4);
  t.is(lines[0].schema, 'kdelay/1');
  t.deepEqual(
    lines.slice(1).map(({ index }) => index),
    [0, 1, 2],
  );
});

test.serial('the end of the target is no error: what was seen is printed, and said', async (t) => {
  const { code, stdout, stderr } = await capture(
    { windows: ['time', 'exit'] },
    '-p',
    '100',
    '--sample-count',
    '5',
  );
  t.is(code, 0);
  t.is(stdout.match(/^# Start sampling/gm)?.length, 2);
  t.regex(stdout, /^# Stop sampling \(exit\) @/m);
  t.is(
    stderr,
    'kdelay: note: the target ended; the report holds what was seen until then\n' +
      'kdelay: note: 3 of 5 samples were not taken: the target had ended\n',
  );
});

test.serial('losses are warned of on stderr, and repeated by the text report', async (t) => {
  const sample = () => ({ losses: { ...noRawLosses, eventsDropped: 2 } });
  const { code, stdout, stderr } = await capture({ sample }, '-p', '100', '--sample-count', '2');
  t.is(code, 0);
  t.is(
    stderr,
    'kdelay: warning: 4 events were dropped: the ring buffer was full\n' +
      'hint: Increase it with the --buffer-page-count option.\n',
  );
  t.true(
    stdout.endsWith(
      '\n# WARNING: 4 events were dropped: the ring buffer was full.\n# Increase it with the --buffer-page-count option.\n',
    ),
  );
});

test.serial(
  'what kept names from being found is warned of once, and repeated by the text report',
  async (t) => {
    const sample = () => ({ stackProblems: ['\x1bx: it is not intact'] });
    const { code, stdout, stderr } = await capture({ sample }, '-p', '100', '--sample-count', '2');
    t.is(code, 0);
    t.is(
      stderr,
      'kdelay: warning: stacks: \\x1bx: it is not intact\n' +
        'hint: docs/stacks.md says what stacks and names are found by.\n',
    );
    t.true(
      stdout.endsWith(
        '\n# WARNING: stacks: \\x1bx: it is not intact.\n# docs/stacks.md says what stacks and names are found by.\n',
      ),
    );
  },
);

test.serial('of many problems the first are told, and how many there are more', async (t) => {
  const stackProblems = Array.from({ length: 25 }, (_, number) => `problem ${number}`);
  const { stderr } = await capture({ sample: () => ({ stackProblems }) }, '-p', '100');
  t.is(stderr.match(/problem \d+$/gm)?.length, 20);
  t.regex(stderr, /stacks: 5 more problems\n/);
});

test.serial(
  'missing debug files are asked for when the window is closed, before its sample is read',
  async (t) => {
    const id = 'ab'.repeat(20);
    const asked: string[] = [];
    const calls: string[] = [];
    const script = { missingDebugFiles: [id], log: (line: string) => void calls.push(line) };
    const server = createServer(({ url }, response) => {
      asked.push(`${url} after ${calls.at(-1)}`);
      response.writeHead(404).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    process.env['DEBUGINFOD_URLS'] = `http://127.0.0.1:${port}`;
    process.env['DEBUGINFOD_CACHE_PATH'] = '/nowhere/cache';
    const { code, stderr } = await capture(script, '-p', '100', '-s', '1000', '--debuginfod');
    server.close();
    server.closeAllConnections();
    t.is(code, 0);
    t.is(stderr, 'kdelay: note: a debug file is missing: asking debuginfod\n');
    t.deepEqual(asked, [`/buildid/${id}/debuginfo after missing ${id}`]);
    t.regex(calls.find((call) => call.startsWith('open')) ?? '', /"debugCache":"\/nowhere\/cache"/);
    t.deepEqual(calls.slice(-4), [`missing ${id}`, 'missing ', 'read 0', 'close']);
  },
);

test.serial('servers that are not named are an error before anything is attached', async (t) => {
  process.env['DEBUGINFOD_URLS'] = '';
  const { code, stderr, calls } = await capture({}, '-p', '100', '-s', '1000', '--debuginfod');
  t.is(code, 64);
  t.regex(stderr, /^kdelay: --debuginfod: DEBUGINFOD_URLS names no server to ask\nhint: /);
  t.deepEqual(calls, []);
});

test.serial('an error in a later sample comes after what was seen', async (t) => {
  const read = (index: number) => (index === 1 ? nativeError('IO', 'map: read failed') : undefined);
  const { code, stdout, stderr, calls } = await capture(
    { errors: { read } },
    '-p',
    '100',
    '-f',
    'json',
    '--sample-count',
    '3',
  );
  t.is(code, 74);
  t.is(stderr, 'kdelay: map: read failed\n');
  t.is(JSON.parse(stdout).samples.length, 1);
  t.is(calls.at(-1), 'close');
});

test.serial('an error before the first sample prints nothing but the error', async (t) => {
  for (const format of ['text', 'json', 'ndjson']) {
    const errors = { read: () => nativeError('INTERNAL', 'map: gone') };
    const { code, stdout } = await capture({ errors }, '-p', '100', '-f', format);
    t.is(code, 70);
    t.is(stdout, '');
  }
});

const openErrors: Array<[string, number]> = [
  ['NOT_PERMITTED', 77],
  ['KERNEL_UNSUPPORTED', 69],
  ['PROCESS_ENDED', 66],
  ['KERNEL_THREAD', 66],
];

for (const [errorCode, exitCode] of openErrors) {
  test.serial(`${errorCode} from the module exits with ${exitCode}, one line and a hint`, async (t) => {
    const errors = { open: nativeError(errorCode, 'what: why\nwhat to do') };
    const { code, stdout, stderr } = await capture({ errors }, '-p', '100');
    t.is(code, exitCode);
    t.is(stdout, '');
    t.is(stderr, 'kdelay: what: why\nhint: what to do\n');
  });
}

test.serial('a defect in the module exits with 70, and shows its stack with -D only', async (t) => {
  const errors = { open: new TypeError('boom') };
  const plain = await capture({ errors }, '-p', '100');
  t.is(plain.code, 70);
  t.is(plain.stderr, 'kdelay: internal error: boom\n');
  const debug = await capture({ errors }, '-p', '100', '-D');
  t.is(debug.code, 70);
  t.regex(debug.stderr, /^kdelay: internal error: boom\nTypeError: boom\n {4}at /);
});

test.serial('no such process exits with 66', async (t) => {
  const { code, stderr } = await capture({}, '-p', '5');
  t.is(code, 66);
  t.is(stderr, 'kdelay: pid 5: no such process\n');
});

test.serial('no match exits with 66 and names candidates, escaped', async (t) => {
  const { code, stderr } = await capture({ busy: [{ pid: 9, comm: '\x1b[2J', cpuPercent: 99 }] }, '-n', 'x');
  t.is(code, 66);
  t.is(
    stderr,
    'kdelay: --name: no process is named “x”\n' +
      'hint: choose a process with -p PID or -n NAME; busy now: 9 \\x1b[2J (99 % CPU)\n',
  );
});

test.serial('several matches exit with 64 and are listed', async (t) => {
  const { code, stderr } = await capture({ processes: [rawTarget(7, 'a'), rawTarget(8, 'a')] }, '-n', 'a');
  t.is(code, 64);
  t.regex(stderr, /^kdelay: target: 2 processes are named “a”\nhint: .*\n {6}7 a: .*\n {6}8 a: .*\n$/);
});

test.serial('an unwritable file fails before anything is opened', async (t) => {
  const { code, stderr, calls } = await capture({}, '-p', '100', '-o', '/nowhere/report');
  t.is(code, 74);
  t.regex(stderr, /^kdelay: \/nowhere\/report: no such file or directory\nhint: .*\n$/);
  t.deepEqual(calls, []);
});

test.serial('a full disk exits with 74', async (t) => {
  const { code, stderr, calls } = await capture({}, '-p', '100', '-o', '/dev/full');
  t.is(code, 74);
  t.regex(stderr, /^kdelay: \/dev\/full: no space left on device\n/);
  t.is(calls.at(-1), 'close');
});

test.serial('-o takes the report off stdout; a failed run leaves no file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kdelay-capture-'));
  try {
    const good = join(folder, 'good.json');
    const { code, stdout } = await capture({}, '-p', '100', '-f', 'json', '-o', good);
    t.is(code, 0);
    t.is(stdout, '');
    t.is(JSON.parse(await readFile(good, 'utf8')).options.output, good);
    const bad = join(folder, 'bad.json');
    await capture({}, '-p', '5', '-o', bad);
    await t.throwsAsync(stat(bad), { code: 'ENOENT' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

for (const format of ['json', 'ndjson', 'text']) {
  test.serial(
    `${format}: wherever a second signal comes, the file is whole up to the last sample`,
    async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'kdelay-kept-'));
      const path = join(folder, 'report');
      const left: string[] = [];
      const keep: FakeScript['keep'] = ({ length, end }) =>
        left.push(readFileSync(path).subarray(0, length).toString() + end);
      const args = ['-p', '100', '-f', format, '--sample-count', '3', '-o', path];
      const ran = await capture({ keep }, ...args);
      t.is(ran.code, 0, ran.stderr);
      t.is(ran.calls.at(-1), 'keep nothing');
      const whole = await readFile(path, 'utf8');
      t.is(left.at(-1), whole);
      if (format === 'json') {
        const samples = JSON.parse(whole).samples;
        t.deepEqual(
          left.map((text) => JSON.parse(text)),
          [0, 1, 2, 3, 3].map((count) => ({ ...JSON.parse(whole), samples: samples.slice(0, count) })),
        );
      }
      if (format === 'ndjson')
        t.deepEqual(
          left.map((text) => text.split('\n').length - 1),
          [1, 2, 3, 4, 4],
        );
      await rm(folder, { recursive: true });
    },
  );
}

test.serial('a reader that left ends the run quietly with 0', async (t) => {
  const native = fakeNative();
  replaceNative(native);
  const stderr = new Collector();
  const code = await run(['capture', '-p', '100', '--sample-count', '1000000'], {
    stdout: new FailingStream('EPIPE', -32),
    stderr,
  });
  t.is(code, 0);
  t.is(stderr.text, '');
  t.is(native.calls.filter((call) => call.startsWith('start')).length, 1);
  t.is(native.calls.at(-1), 'close');
});

test.serial('a command is held until its window is open, and captured until it ends', async (t) => {
  const { code, stderr, stdout, calls } = await capture(
    { windows: ['exit'] },
    '-f',
    'json',
    '--',
    'make',
    '-j4',
    '--',
    'x',
  );
  t.is(code, 0);
  t.is(stderr, '');
  t.deepEqual(calls, [
    'spawn make -j4 -- x (stdout to stderr)',
    `open {"pids":[4242],"follow":false,"debugLevel":0,"program":"/usr/bin/fake","commandLine":["make","-j4","--","x"],${noStacksOfCommand}}`,
    'start open-ended',
    'release',
    'read 0',
    'close',
    'close command',
  ]);
  t.deepEqual(JSON.parse(stdout).options.command, ['make', '-j4', '--', 'x']);
  t.is(JSON.parse(stdout).options.sampleTime, null);
});

test.serial('with -o the command keeps its stdout', async (t) => {
  const { calls } = await capture({ windows: ['exit'] }, '-o', '/dev/null', '--', 'ls');
  t.is(calls[0], 'spawn ls');
});

test.serial('a command that outlives the window runs on, and that is said', async (t) => {
  const { code, stderr, calls } = await capture({ status: null }, '--sample-time', '1', '--', 'sleep', '9');
  t.is(code, 0);
  t.is(stderr, 'kdelay: note: the command runs on as process 4242\n');
  t.true(calls.includes('start 1000000000'));
});

test.serial('a command is released once, however many windows there are', async (t) => {
  const { calls } = await capture(
    { status: null },
    '--sample-time',
    '1',
    '--sample-count',
    '3',
    '--',
    'sleep',
    '9',
  );
  t.is(calls.filter((call) => call.startsWith('start')).length, 3);
  t.is(calls.filter((call) => call === 'release').length, 1);
});

for (const [status, said] of [
  [{ code: 3, signal: null }, 'exited with status 3'],
  [{ code: null, signal: 9 }, 'was ended by signal 9'],
] as const) {
  test.serial(`a command that ${said} is told of, and is no failure of the capture`, async (t) => {
    const { code, stderr } = await capture({ windows: ['exit'], status }, '--', 'false');
    t.is(code, 0);
    t.is(stderr, `kdelay: note: the command ${said}\n`);
  });
}

test.serial('a command that cannot be run exits with 66 and prints no report', async (t) => {
  const errors = { release: nativeError('NO_SUCH_COMMAND', 'nope: no such command') };
  const { code, stdout, stderr, calls } = await capture(
    { errors, windows: ['until-stop'] },
    '-f',
    'ndjson',
    '--',
    'nope',
  );
  t.is(code, 66);
  t.is(stdout, '');
  t.is(stderr, 'kdelay: nope: no such command\n');
  t.deepEqual(calls.slice(-2), ['close', 'close command']);
});

test.serial('a command is not left behind when the probes are refused', async (t) => {
  const errors = { open: nativeError('NOT_PERMITTED', 'bpf: not permitted') };
  const { code, calls } = await capture({ errors }, '--', 'ls');
  t.is(code, 77);
  t.is(calls.at(-1), 'close command');
});

test.serial('a thread name cannot drive the terminal in any format', async (t) => {
  for (const format of ['text', 'json', 'ndjson']) {
    const sample = () => ({ threads: [rawThread({ comm: '\x1b[2J\x9b\u202e' })] });
    const { stdout } = await capture({ sample }, '-p', '100', '-f', format);
    t.notRegex(stdout.replaceAll('\n', ''), /[\p{C}]/u, format);
  }
});
