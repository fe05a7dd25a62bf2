/** What cannot be captured, and machines on which nothing can be: one line, a hint, the exit code of sysexits.h. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { withMemberMoved } from './btf.js';
import { assertRefused, cli, kdelay, kdelayAfter, run, withoutTracefs } from './cli.js';

const folder = mkdtempSync(join(tmpdir(), 'kdelay-refusals-'));
test.after.always(() => rmSync(folder, { recursive: true }));

test('a pid that no process has', (t) => {
  assertRefused(t, kdelay('capture', '-p', '4194303'), 66, /no process has the pid 4194303/);
});

test('a thread of the kernel’s own', (t) => {
  assertRefused(t, kdelay('capture', '-p', '2'), 66, /2 \(kthreadd\) is a thread of the kernel/);
});

test('a process that has ended, whose parent has not noticed', async (t) => {
  const script = '$| = 1; my $child = fork // die; exit if !$child; print "$child\\n"; sleep 600';
  const parent = spawn('perl', ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = await once(parent.stdout, 'data');
    const pid = String(line).trim();
    const isZombie = () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
    for (let waitedMs = 0; !isZombie() && waitedMs < 30_000; waitedMs += 10) await setTimeout(10);
    assertRefused(t, kdelay('capture', '-p', pid), 66, /has ended/);
  } finally {
    parent.kill();
  }
});

test('a thread that is no process', (t) => {
  const tid = readdirSync('/proc/self/task').find((name) => name !== String(process.pid));
  if (tid === undefined) return t.fail('this process has one thread');
  assertRefused(
    t,
    kdelay('capture', '-p', tid),
    64,
    /is a thread of the process/,
    new RegExp(`use ${process.pid}`),
  );
  return;
});

test('a name without a match, with busy candidates', (t) => {
  const ran = kdelay('capture', '-n', 'no-such-process-anywhere');
  assertRefused(t, ran, 66, /no process is named “no-such-process-anywhere”/, /-p PID or -n NAME/);
});

test('a name with several matches, which are listed', async (t) => {
  const program = join(folder, 'kdelay-twin');
  copyFileSync('/bin/sleep', program);
  const twins = [0, 1].map(() => spawn(program, ['60']));
  await Promise.all(twins.map((twin) => once(twin, 'spawn')));
  const ran = kdelay('capture', '-n', 'kdelay-twin');
  assertRefused(t, ran, 64, /2 processes are named “kdelay-twin”/, /--all/);
  for (const twin of twins) t.true(ran.stderr.includes(`${twin.pid} kdelay-twin`));
  for (const twin of twins) twin.kill();
});

test('both -p and -n', (t) => {
  assertRefused(t, kdelay('capture', '-p', '1', '-n', 'x'), 64, /--pid and --name/);
});

test('a command that does not exist', (t) => {
  assertRefused(t, kdelay('capture', '--', 'no-such-command-anywhere'), 66, /no-such-command-anywhere/);
});

test('a file that cannot be executed', (t) => {
  assertRefused(t, kdelay('capture', '--', '/etc/passwd'), 77, /\/etc\/passwd: Permission denied/);
});

test('a file that cannot be written, and a full one', (t) => {
  assertRefused(
    t,
    kdelay('capture', '-p', String(process.pid), '-o', '/no/such/folder/file'),
    74,
    /no such file/,
  );
  const full = run('sh', [
    '-c',
    '"$@" >/dev/full',
    'sh',
    process.execPath,
    cli,
    'capture',
    '-p',
    String(process.pid),
  ]);
  t.is(full.status, 74, full.stderr);
  t.regex(full.stderr, /^kdelay: .*no space left/);
});

/** Drops what root may do beyond an ordinary user. */
const unprivileged = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'];

test('root without its capabilities', (t) => {
  const [command = '', ...words] = unprivileged;
  const ran = run(command, [...words, process.execPath, cli, 'capture', '-p', String(process.pid)]);
  assertRefused(t, ran, 77, /not permitted|permission/i, /root/);
});

test('another user', (t) => {
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups', '--', process.execPath, cli];
  const ran = run('setpriv', [...user, 'capture', '-p', String(process.pid)]);
  if (/Permission denied|Cannot find module/.test(ran.stderr)) {
    t.pass('the user cannot read this folder');
    return;
  }
  assertRefused(t, ran, 77, /not permitted|permission/i, /root/);
  t.is(run('setpriv', [...user, 'doctor']).status, 69);
});

test('a locked-down kernel', (t) => {
  const modes = join(folder, 'lockdown');
  writeFileSync(modes, 'none integrity [confidentiality]\n');
  // The kernel's own refusal is had by dropping the capabilities; what it calls itself, by covering the file.
  const script = `
    mountpoint -q /sys/kernel/security || mount -t tmpfs none /sys/kernel/security
    [ -e /sys/kernel/security/lockdown ] || : > /sys/kernel/security/lockdown
    mount --bind "$1" /sys/kernel/security/lockdown`;
  const whole = `set -e\n${script}\nshift\nexec "$@"`;
  const words = [modes, ...unprivileged, process.execPath, cli, 'capture', '-p', String(process.pid)];
  assertRefused(
    t,
    run('unshare', ['--mount', 'sh', '-c', whole, 'sh', ...words]),
    77,
    /permitted/,
    /locked down/,
  );
});

test('a kernel without BTF', (t) => {
  const args = ['capture', '-p', String(process.pid)];
  const ran = kdelayAfter('mount -t tmpfs none /sys/kernel/btf', [], ...args);
  assertRefused(t, ran, 69, /\/sys\/kernel\/btf\/vmlinux/, /CONFIG_DEBUG_INFO_BTF/);
  const doctor = kdelayAfter('mount -t tmpfs none /sys/kernel/btf', [], 'doctor');
  t.is(doctor.status, 69);
  t.regex(doctor.stdout, /BTF +failed/);
});

test('damaged BTF', (t) => {
  const whole = readFileSync('/sys/kernel/btf/vmlinux');
  for (const [name, bytes] of [
    ['empty', Buffer.alloc(0)],
    ['cut', whole.subarray(0, whole.length / 2)],
    ['noise', Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167) & 0xff))],
  ] as const) {
    const file = join(folder, `btf-${name}`);
    writeFileSync(file, bytes);
    const args = ['capture', '-p', String(process.pid)];
    const ran = kdelayAfter('mount --bind "$1" /sys/kernel/btf/vmlinux', [file], ...args);
    assertRefused(t, ran, 69, /vmlinux/);
  }
});

test('a kernel that takes the maps and refuses the programs', (t) => {
  // CAP_BPF alone is good for maps; what traces takes CAP_PERFMON too.
  const words = ['--bounding-set=-all,+bpf', '--inh-caps=-all', '--', process.execPath, cli];
  const args = ['capture', '-p', String(process.pid)];
  const message = /the probe \w+ cannot be attached: .*not permitted \(os error 1\)$/;
  assertRefused(t, run('setpriv', [...words, ...args]), 77, message, /CAP_PERFMON/);
});

test('too few open files', (t) => {
  const words = ['--nofile=48', process.execPath, cli, 'capture', '-p', String(process.pid)];
  assertRefused(t, run('prlimit', words), 74, /Too many open files/, /ulimit -n/);
});

test('the verifier’s log of a refused program is printed with -D, and the other kind of program serves', (t) => {
  const file = join(folder, 'btf-moved');
  writeFileSync(file, withMemberMoved(readFileSync('/sys/kernel/btf/vmlinux'), 'task_struct', 'tgid', 8));
  const args = ['capture', '-p', String(process.pid), '--sample-time', '0.01', '-D'];
  const ran = kdelayAfter('mount --bind "$1" /sys/kernel/btf/vmlinux', [file], ...args);
  t.is(ran.status, 0, ran.stderr.slice(0, 2000));
  t.regex(ran.stderr, /^kdelay: probe sched_switch: no tp_btf: /m);
  t.regex(ran.stderr, /^processed \d+ insns/m);
  t.regex(ran.stderr, /^kdelay: probe sched_switch: raw_tp$/m);
});

test('a pid namespace of its own, where /proc shows those of another', (t) => {
  for (const pid of ['1', String(process.pid)]) {
    const words = ['--pid', '--fork', process.execPath, cli, 'capture', '-p', pid];
    assertRefused(t, run('unshare', words), 69, /pid namespace/, /--pid=host/);
  }
});

test('no tracefs is no obstacle', (t) => {
  const args = ['capture', '-p', String(process.pid), '--sample-time', '0.01', '-f', 'json'];
  const ran = kdelayAfter(withoutTracefs, [], ...args);
  t.is(ran.status, 0, ran.stderr);
  t.is(JSON.parse(ran.stdout).samples.length, 1);
  const doctor = kdelayAfter(withoutTracefs, [], 'doctor');
  t.is(doctor.status, 0, doctor.stdout);
  t.regex(doctor.stdout, /tracefs +degraded/);
  t.regex(doctor.stdout, /mount -t tracefs/);
});
