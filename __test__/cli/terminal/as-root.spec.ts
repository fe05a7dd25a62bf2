import { spawnSync } from 'node:child_process';
import test from 'ava';
import { sudoLine, withSudoLine } from '../../../src/cli/terminal/as-root.js';
import { KdelayError, type KdelayErrorCause } from '../../../src/errors.js';

const node = '/home/u/.nvm/versions/node/v20.20.2/bin/node';
const kdelay = '/home/u/.nvm/versions/node/v20.20.2/bin/kdelay';

function as(uid: number, ...args: string[]) {
  return { execPath: node, argv: [node, kdelay, ...args], geteuid: () => uid };
}

test('whole paths, since sudo has a PATH of its own', (t) => {
  t.is(sudoLine(as(1000, 'capture', '-p', '12')), `sudo ${node} ${kdelay} capture -p 12`);
});

test('a shell reads back the words that were given', (t) => {
  const words = ['capture', '-n', "it's $HOME", '', 'a b', '*', '-p=1', '"', 'ü\n;'];
  const line = sudoLine(as(1000, ...words)).replace(/^sudo/, 'printf "%s\\0"');
  const { stdout } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
  t.deepEqual(stdout.split('\0').slice(0, -1), [node, kdelay, ...words]);
});

function denied(deniedBy: KdelayErrorCause['deniedBy'], hint: string | null): KdelayError {
  const cause = { source: 'no (os error 1)', errno: { name: 'EPERM', number: 1 }, probe: null, deniedBy };
  return new KdelayError('NOT_PERMITTED', 'no', hint, cause);
}

test('the line is in the hint of what takes root, for others than root', (t) => {
  const refused = denied('capabilities', 'run as root, or grant this process CAP_BPF');
  const hinted = withSudoLine(refused, as(1000, 'capture')) as KdelayError;
  t.is(hinted.hint, `run as root, or grant this process CAP_BPF\nsudo ${node} ${kdelay} capture`);
  t.is(hinted.exitCode, 77);
  t.is(hinted.cause, refused.cause);
  const bare = withSudoLine(denied('capabilities', null), as(1000, 'capture')) as KdelayError;
  t.is(bare.hint, `sudo ${node} ${kdelay} capture`);
  t.is(withSudoLine(refused, as(0, 'capture')), refused);
});

test('other errors are left as they are', (t) => {
  for (const error of [
    // What forbids it binds also root, whatever the hint says.
    ...(['user namespace', 'policy', 'lockdown', 'file mode', null] as const).map((by) =>
      denied(by, 'as root'),
    ),
    new KdelayError('NOT_PERMITTED', 'no', 'run as root'),
    new KdelayError('IO', 'no', 'run as root', new Error('as root')),
    new Error('as root'),
    null,
  ])
    t.is(withSudoLine(error, as(1000)), error);
});
