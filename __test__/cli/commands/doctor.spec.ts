import test from 'ava';
import { run } from '../../../src/cli/run.js';
import { replaceNative } from '../../../src/native/index.js';
import { version } from '../../../src/package.js';
import { type FakeScript, fakeNative } from '../../helpers/fake-native.js';
import { Collector } from '../../helpers/streams.js';

type Diagnosis = NonNullable<FakeScript['diagnosis']>;

const healthy: Diagnosis = {
  capable: true,
  kernel: '6.18.0',
  arch: 'x86_64',
  checks: [{ name: 'BTF', status: 'ok', detail: '/sys/kernel/btf/vmlinux, 5.5 MB', hint: null }],
};

const broken: Diagnosis = {
  capable: false,
  kernel: '5.4.0\x1b[2J',
  arch: 'x86_64',
  checks: [
    {
      name: 'BTF',
      status: 'failed',
      detail: 'no /sys/kernel/btf/vmlinux',
      hint: 'boot a kernel with\nCONFIG_DEBUG_INFO_BTF=y',
    },
    {
      name: 'probe sched_switch',
      status: 'degraded',
      detail: 'raw_tp (tp_btf refused)',
      hint: 'costs 60 ns more',
    },
  ],
};

async function doctor(
  diagnosis: Diagnosis,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  replaceNative(fakeNative({ diagnosis }));
  const stdout = new Collector();
  const stderr = new Collector();
  const code = await run(['doctor', ...args], { stdout, stderr });
  return { code, stdout: stdout.text.replaceAll(version, 'VERSION'), stderr: stderr.text };
}

test.serial('a machine that can capture: exit 0', async (t) => {
  const { code, stdout, stderr } = await doctor(healthy);
  t.is(code, 0);
  t.is(stderr, '');
  t.snapshot(stdout);
});

test.serial('a machine that cannot: exit 69 and what to do', async (t) => {
  const { code, stdout } = await doctor(broken);
  t.is(code, 69);
  t.snapshot(stdout);
});

test.serial('json says the same', async (t) => {
  const { code, stdout } = await doctor(broken, '-f', 'json');
  t.is(code, 69);
  t.deepEqual(JSON.parse(stdout), { schema: 'kdelay-doctor/1', version: 'VERSION', ...broken });
});

for (const args of [['-f', 'ndjson'], ['extra'], ['--', 'ls'], ['--nope']]) {
  test.serial(`${args.join(' ')} is refused`, async (t) => {
    const { code, stdout, stderr } = await doctor(healthy, ...args);
    t.is(code, 64);
    t.is(stdout, '');
    t.regex(stderr, /^kdelay: .*\nhint: .*\n$/);
  });
}
