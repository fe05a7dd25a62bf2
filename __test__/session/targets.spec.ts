import test from 'ava';
import { KdelayError } from '../../src/errors.js';
import type { Binding } from '../../src/native/index.js';
import { type ProcessTable, resolveTargets, type TargetRequest } from '../../src/session/targets.js';
import { rawTarget } from '../helpers/raw.js';

const nginx = [rawTarget(10, 'nginx'), rawTarget(11, 'nginx')];
const postgres = rawTarget(20, 'postgres');
const ovs = rawTarget(30, 'ovs-vswitchd');

function table(
  processes: Binding.BindingTarget[],
  busy?: Binding.BindingBusyProcess[] | Error,
): ProcessTable {
  return {
    async inspect(pid) {
      const found = processes.find((target) => target.pid === pid);
      if (found === undefined) throw new KdelayError('NO_SUCH_PROCESS', `pid ${pid}: no such process`);
      return found;
    },
    find: async (name) => processes.filter(({ comm }) => comm === name),
    busy: async () => {
      if (busy instanceof Error) throw busy;
      return busy ?? [];
    },
  };
}

function request(over: Partial<TargetRequest>): TargetRequest {
  return { pid: [], name: [], all: false, ...over };
}

const found: Array<[string, Partial<TargetRequest>, Binding.BindingTarget[], number[]]> = [
  ['pids are taken in the order given', { pid: [20, 10] }, [...nginx, postgres], [20, 10]],
  ['a name with one match is taken', { name: ['postgres'] }, [...nginx, postgres], [20]],
  [
    'several names may match one process each',
    { name: ['postgres', 'ovs-vswitchd'] },
    [postgres, ovs],
    [20, 30],
  ],
  ['--all takes every match', { name: ['nginx'], all: true }, [...nginx, postgres], [10, 11]],
  [
    'a process that two names match counts once',
    { name: ['postgres', 'postgres'], all: true },
    [postgres],
    [20],
  ],
  ['without pid and name it is ovs-vswitchd', {}, [...nginx, ovs], [30]],
  ['--all alone takes every ovs-vswitchd', { all: true }, [ovs, rawTarget(31, 'ovs-vswitchd')], [30, 31]],
];

for (const [title, over, processes, pids] of found) {
  test(title, async (t) => {
    const targets = await resolveTargets(request(over), table(processes));
    t.deepEqual(
      targets.map(({ pid }) => pid),
      pids,
    );
  });
}

async function failure(over: Partial<TargetRequest>, processes: ProcessTable): Promise<KdelayError> {
  try {
    await resolveTargets(request(over), processes);
  } catch (error) {
    if (error instanceof KdelayError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

test('an unknown name names busy candidates', async (t) => {
  const busy = [{ pid: 20, comm: 'postgres', cpuPercent: 45.4 }];
  const error = await failure({ name: ['apache'] }, table([postgres], busy));
  t.is(error.code, 'NO_SUCH_PROCESS');
  t.is(error.message, '--name: no process is named “apache”');
  t.is(error.hint, 'choose a process with -p PID or -n NAME; busy now: 20 postgres (45 % CPU)');
});

test('no ovs-vswitchd is its own message', async (t) => {
  const error = await failure({}, table([postgres]));
  t.is(error.code, 'NO_SUCH_PROCESS');
  t.is(error.message, 'target: no ovs-vswitchd is running');
  t.is(error.hint, 'choose a process with -p PID or -n NAME');
});

test('--all does not excuse a name without match', async (t) => {
  t.is((await failure({ name: ['nginx', 'apache'], all: true }, table(nginx))).code, 'NO_SUCH_PROCESS');
});

test('failing to find busy candidates does not hide the error', async (t) => {
  t.is((await failure({ name: ['apache'] }, table([], new Error('boom')))).code, 'NO_SUCH_PROCESS');
});

test('several matches are listed', async (t) => {
  const error = await failure({ name: ['nginx'] }, table(nginx));
  t.is(error.code, 'AMBIGUOUS_TARGET');
  t.is(error.message, 'target: 2 processes are named “nginx”');
  t.is(
    error.hint,
    [
      'choose with -p PID, or take them all with --all:',
      '10 nginx: /usr/bin/nginx --serve',
      '11 nginx: /usr/bin/nginx --serve',
    ].join('\n'),
  );
});

test('a long list of matches is cut', async (t) => {
  const many = Array.from({ length: 13 }, (_, index) => ({ ...rawTarget(index + 1, 'php'), cmdline: null }));
  const lines = (await failure({ name: ['php'] }, table(many))).hint?.split('\n') ?? [];
  t.is(lines.length, 12);
  t.is(lines[1], '1 php');
  t.is(lines[11], '… and 3 more');
});

test('what is wrong with a pid comes through', async (t) => {
  t.is((await failure({ pid: [99] }, table([]))).message, 'pid 99: no such process');
});
