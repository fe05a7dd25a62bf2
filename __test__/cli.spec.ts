/** The real CLI as a process of its own: help, usage errors, signals and pipes. */
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { cli, ended, sees, start } from './helpers/child.js';

const fake = '__test__/helpers/fake-cli.ts';

for (const args of [['--help'], ['capture', '--help'], ['doctor', '-h'], ['help', 'capture']]) {
  test(`kdelay ${args.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await cli(...args);
    t.is(code, 0);
    t.is(stderr, '');
    t.snapshot(stdout);
  });
}

test('help names every option of the table', async (t) => {
  const { captureOptions } = await import('../src/options/table.js');
  const { stdout } = await cli('capture', '--help');
  for (const { flags } of Object.values(captureOptions)) t.true(stdout.includes(flags), flags);
});

test('kdelay --version', async (t) => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  t.like(await cli('--version'), { code: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

/** Arguments and what the first line says. Every one exits with 64, prints two lines on stderr and nothing on stdout. */
const usageErrors: Array<[string[], string]> = [
  [[], 'usage: a command is missing'],
  [['--', 'ls'], 'usage: a command is missing'],
  [['captur'], 'captur: unknown command'],
  [['--nope'], '--nope: unknown option'],
  [['capture', '--folow'], '--folow: unknown option'],
  [['capture', '-p'], '--pid: its value is missing'],
  [['capture', '--sample-time'], '--sample-time: its value is missing'],
  [['capture', 'ls'], 'ls: unexpected argument'],
  [['capture', '--'], '--: no command follows'],
  [['capture', '-p', 'abc'], '--pid: “abc” is not a whole number'],
  [['capture', '-p', '-1'], '--pid: -1 is out of range'],
  [['capture', '-p', '1', '-n', 'x'], '--pid and --name: only one of them can be given'],
  [['capture', '-p', '1', '--', 'ls'], '--pid: cannot be combined with a command'],
  [['capture', '--sample-time=NaN'], '--sample-time: “NaN” is not a number of seconds'],
  [['capture', '--sample-time', '-1'], '--sample-time: -1 is out of range'],
  [['capture', '--sample-count', '0'], '--sample-count: 0 is out of range'],
  [['capture', '-D', '9'], '--debug: 9 is out of range'],
  [['capture', '-f', 'xml'], '--format: unknown value “xml”'],
  [['capture', '-o', ''], '--output: the value is empty'],
  [['capture', '-p', '\x1b[2J'], '--pid: “\\x1b[2J” is not a whole number'],
];

for (const [args, line] of usageErrors) {
  test(`kdelay ${JSON.stringify(args)} is a usage error`, async (t) => {
    const { code, stdout, stderr } = await cli(...args);
    t.is(code, 64);
    t.is(stdout, '');
    const [first, second, ...rest] = stderr.split('\n');
    t.is(first, `kdelay: ${line}`);
    t.regex(second ?? '', /^hint: ./);
    t.deepEqual(rest, ['']);
  });
}

for (const [args, hint] of [
  [['captur'], 'did you mean capture?'],
  [['capture', '--folow'], 'did you mean --follow?'],
] as const) {
  test(`kdelay ${args.join(' ')} suggests`, async (t) => {
    t.true((await cli(...args)).stderr.endsWith(`hint: ${hint}\n`));
  });
}

test('the first Ctrl-C ends the window, prints it and exits with 0', async (t) => {
  const child = start(
    fake,
    ['capture', '-p', '100', '-f', 'json', '--sample-time', '1000', '--sample-count', '3'],
    {
      env: { FAKE_WINDOW: 'until-stop' },
    },
  );
  const end = ended(child);
  await sees(child, 'fake: start');
  child.kill('SIGINT');
  const { code, stdout } = await end;
  t.is(code, 0);
  const { samples } = JSON.parse(stdout);
  t.is(samples.length, 1);
  t.is(samples[0].stop.by, 'interrupt');
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`the second ${signal} quits at once with ${code}`, async (t) => {
    const child = start(fake, ['capture', '-p', '100'], { env: { FAKE_WINDOW: 'stuck' } });
    const end = ended(child);
    await sees(child, 'fake: start');
    child.kill(signal);
    await sees(child, 'fake: stop');
    child.kill(signal);
    t.like(await end, { code, stdout: '' });
  });

  test(`${signal} before the first window is opened ends the run with ${code}`, async (t) => {
    const child = start(fake, ['capture', '-p', '100'], { env: { FAKE_SLOW_OPEN: '1' } });
    const end = ended(child);
    await sees(child, 'fake: open');
    child.kill(signal);
    const { code: exitCode, stdout, stderr } = await end;
    t.is(exitCode, code);
    t.is(stdout, '');
    t.regex(
      stderr,
      /^kdelay: note: ended by a signal before the first window was opened: no sample was taken$/m,
    );
    t.notRegex(stderr, /trigger/);
  });
}

test('Ctrl-C while attaching: a command that was not run is no success, and that is said', async (t) => {
  const child = start(fake, ['capture', '--', 'make'], { env: { FAKE_SLOW_OPEN: '1' } });
  const end = ended(child);
  await sees(child, 'fake: open');
  child.kill('SIGINT');
  const { code, stderr } = await end;
  t.is(code, 130);
  t.regex(stderr, /^kdelay: note: the command was not run$/m);
});

test('Ctrl-C while a command does not get to begin ends it, and the run', async (t) => {
  const child = start(fake, ['capture', '-f', 'json', '--', 'make'], {
    env: { FAKE_WINDOW: 'until-stop', FAKE_NEVER_BEGINS: '1' },
  });
  const end = ended(child);
  await sees(child, 'fake: release');
  child.kill('SIGINT');
  const { code, stdout, stderr } = await end;
  t.is(code, 0);
  t.is(JSON.parse(stdout).samples[0].stop.by, 'interrupt');
  t.regex(stderr, /^fake: stop\nfake: close command\nfake: read 0\n/m);
  t.regex(stderr, /^kdelay: note: the command was not run$/m);
});

test('Ctrl-C while a start trigger is waited for speaks of it', async (t) => {
  const args = ['capture', '-p', '100', '--start-trigger', 'up:f'];
  const child = start(fake, args, { env: { FAKE_WINDOW: 'armed' } });
  const end = ended(child);
  await sees(child, 'fake: start');
  child.kill('SIGINT');
  const { code, stderr } = await end;
  t.is(code, 130);
  t.regex(stderr, /^kdelay: note: ended by a signal before the start trigger fired: no sample was taken$/m);
});

for (const [args, hasStack] of [
  [['-p', '100'], false],
  [['-p', '100', '-D'], true],
] as const) {
  test(`a defect in a listener ends with 70, with its stack: ${hasStack}`, async (t) => {
    const child = start(fake, ['capture', ...args], { env: { FAKE_WINDOW: 'until-stop', FAKE_DEFECT: '1' } });
    const { code, stderr } = await ended(child);
    t.is(code, 70);
    t.regex(stderr, /^kdelay: internal error: TypeError: boom\nhint: .*-D prints the stack$/m);
    t.is(/^ {4}at .*fake-cli/m.test(stderr), hasStack);
  });
}

test('stdout closed early ends quietly with 0', async (t) => {
  const child = start(fake, ['capture', '-p', '100', '-f', 'ndjson', '--sample-count', '1000000000']);
  const end = ended(child);
  child.stdout?.once('data', () => child.stdout?.destroy());
  const { code, stderr } = await end;
  t.is(code, 0);
  t.notRegex(stderr, /kdelay:|Error/);
});

test('a full disk behind stdout exits with 74', async (t) => {
  const full = openSync('/dev/full', 'w');
  try {
    const { code, stderr } = await ended(
      start(fake, ['capture', '-p', '100'], { stdio: ['ignore', full, 'pipe'] }),
    );
    t.is(code, 74);
    t.regex(stderr, /^kdelay: standard output: no space left on device$/m);
  } finally {
    closeSync(full);
  }
});

test('help into a full disk does not print a stack', async (t) => {
  const full = openSync('/dev/full', 'w');
  try {
    const { code, stderr } = await ended(
      start('src/cli.ts', ['--help'], { stdio: ['ignore', full, 'pipe'] }),
    );
    t.is(code, 74);
    t.is(stderr, '');
  } finally {
    closeSync(full);
  }
});
