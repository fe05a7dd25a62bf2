/** kdelay, or what it captures, in namespaces of their own, as in containers (docs/containers.md). */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Report, Thread } from '../../src/index.js';
import { assertRefused, cli, kdelay, kdelayAfter, type Ran, run, withTracefs } from './cli.js';
import { Programs } from './programs.js';
import { asNobody, PublicCopy } from './unprivileged.js';

const programs = new Programs();
const copy = new PublicCopy();
test.after.always(() => {
  programs.end();
  copy.remove();
});

/** Calls select(2) every 5 ms. */
const busy = 'select undef, undef, undef, 0.005 while 1';
const namespace = ['--pid', '--fork', '--kill-child', '--mount-proc'];

/** A shell script that is process 1 of a pid namespace of its own; in it `kdelay` is what it is here. */
function inPidNamespace(script: string, ...words: string[]): Ran {
  const whole = `set -e; kdelay() { "$node" "$cli" "$@"; }; ${script}`;
  const env = [`node=${process.execPath}`, `cli=${cli}`];
  return run('env', [...env, 'unshare', ...namespace, ...words, 'bash', '-c', whole]);
}

function reportOf(t: ExecutionContext, ran: Ran): Report {
  t.is(ran.status, 0, ran.stderr);
  return JSON.parse(ran.stdout) as Report;
}

const threadsOf = ({ samples }: Report): readonly Thread[] => samples[0]?.threads ?? [];
const numbers = (threads: readonly Thread[]) => threads.map(({ pid, tid }) => [pid, tid]);
/** A namespace has had fewer processes and threads, kdelay's among them; the machine has had thousands. */
const fewPids = 1000;
const options = '-f json --sample-time 0.1';

test('in a pid namespace of its own kdelay captures by the pids that processes have there', (t) => {
  const ran = inPidNamespace(`
    perl -e '${busy}' & a=$!
    sleep 600 & echo "$a $!" >&2
    kdelay capture -p $a,$! ${options} -s 1000000 --event-limit 5`);
  const report = reportOf(t, ran);
  const [perl = 0, sleep = 0] = (ran.stderr.split('\n')[0] ?? '').split(' ').map(Number);
  t.true(perl > 1 && sleep > perl && sleep < fewPids, ran.stderr);
  const threads = [...threadsOf(report)].sort((a, b) => a.pid - b.pid);
  t.deepEqual(
    threads.map(({ pid, tid, comm, syscalls }) => [pid, tid, comm, syscalls.map(({ name }) => name)]),
    [
      [perl, perl, 'perl', ['pselect6']],
      [sleep, sleep, 'sleep', ['clock_nanosleep']],
    ],
  );
  t.deepEqual(
    report.targets.map(({ pid, comm }) => [pid, comm]),
    [
      [perl, 'perl'],
      [sleep, 'sleep'],
    ],
  );
  const [event] = report.samples[0]?.syscallEvents ?? [];
  t.deepEqual([event?.pid, event?.tid, event?.userStackEnd], [perl, perl, 'complete']);
});

test('there, followed children and triggers have the numbers of the namespace, also in one nested deeper', (t) => {
  // Each is given to a command as one word.
  const fork = 'fork; select undef, undef, undef, 0.05';
  const script = `perl -e "${fork}" & unshare --pid --fork sleep 0.1; wait`;
  const ran = inPidNamespace(`kdelay capture --follow -f json -- sh -c '${script}'`);
  const report = reportOf(t, ran);
  const pids = threadsOf(report).map(({ pid }) => pid);
  t.true(
    pids.every((pid) => pid > 1 && pid < fewPids),
    String(pids),
  );
  t.deepEqual(
    threadsOf(report)
      .map(({ comm }) => comm)
      .sort(),
    ['perl', 'perl', 'sh', 'sleep', 'unshare'],
  );
  const known = new Set(report.targets.map(({ pid }) => pid));
  t.true(pids.every((pid) => known.has(pid)));
  const triggered = inPidNamespace(
    `perl -e '${busy}' & echo $! >&2; kdelay capture -p $! ${options} --start-trigger up:Perl_pp_sselect`,
  );
  const [sample] = reportOf(t, triggered).samples;
  const pid = Number(triggered.stderr.split('\n')[0]);
  t.deepEqual(sample?.start.trigger, { pid, tid: pid, comm: 'perl' });
});

test('there, the doctor finds nothing amiss, and other namespaces’ pids mean nobody', (t) => {
  const doctor = inPidNamespace('kdelay doctor');
  t.is(doctor.status, 0, doctor.stdout);
  t.regex(doctor.stdout, /^pid namespace +ok +one of its own/m);
  const outside = inPidNamespace(`kdelay capture -p ${process.pid}`);
  assertRefused(t, outside, 66, new RegExp(`no process has the pid ${process.pid}`));
});

test('there, CAP_BPF and CAP_PERFMON are enough, and without them it is refused', (t) => {
  const captured = (...capabilities: string[]) => {
    const words = [...asNobody(...capabilities), copy.node, copy.cli, 'capture', '-p', '1', '-f', 'json'];
    return run('unshare', [...namespace, 'bash', '-c', '"$@"; exit $?', 'bash', ...words]);
  };
  t.deepEqual(numbers(threadsOf(reportOf(t, captured('bpf', 'perfmon')))), [[1, 1]]);
  assertRefused(t, captured(), 77, /pid namespace/, /CAP_BPF and CAP_PERFMON/);
});

test('a process in namespaces of its own has, seen from outside, the pids of outside', async (t) => {
  const inside = `echo $$; exec perl -e '${busy}'`;
  const shell = ['--user', '--map-root-user', '--mount', ...namespace, 'sh', '-c', inside];
  const outer = await programs.start('unshare', ...shell);
  const children = () => readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').trim();
  const isReady = () =>
    children() !== '' && readFileSync(`/proc/${children()}/comm`, 'utf8').trim() === 'perl';
  for (let waitedMs = 0; !isReady() && waitedMs < 30_000; waitedMs += 10) await setTimeout(10);
  const pid = Number(children());
  // The first process ends with its namespace; the one outside, which waits for it, ignores signals.
  t.teardown(() => process.kill(pid, 'SIGKILL'));
  t.regex(readFileSync(`/proc/${pid}/status`, 'utf8'), new RegExp(`^NSpid:\\s+${pid}\\s+1$`, 'm'));
  const stacks = ['-s', '1000000', '--event-limit', '5'];
  const report = reportOf(t, kdelay('capture', '-p', String(pid), ...options.split(' '), ...stacks));
  t.deepEqual(numbers(threadsOf(report)), [[pid, pid]]);
  t.regex(report.targets[0]?.exe ?? '', /perl/);
  const [event] = report.samples[0]?.syscallEvents ?? [];
  t.is(event?.userStackEnd, 'complete');
  t.true(event?.userStack?.some(({ symbol }) => symbol === 'Perl_pp_sselect'));
});

test('in a user namespace of its own root is nobody, and is told so', (t) => {
  const words = ['--user', '--map-root-user', process.execPath, cli];
  const args = ['capture', '-p', String(process.pid)];
  assertRefused(t, run('unshare', [...words, ...args]), 77, /not permitted/, /user namespace/);
  const doctor = run('unshare', [...words, 'doctor']);
  t.is(doctor.status, 69);
  t.regex(doctor.stdout, /^privileges +failed +uid 0 of a user namespace of its own/m);
});

test('on a root file system that is read-only, without /tmp, and in cgroup, IPC and network namespaces of its own', (t) => {
  const words = ['--mount', '--cgroup', '--ipc', '--uts', '--net', 'sh', '-c'];
  const script = `
    set -e
    mount --bind / /mnt && cd /mnt && pivot_root . mnt && cd /
    mount --move /mnt/proc /proc && mount --move /mnt/sys /sys && umount -l /mnt
    mount -o remount,bind,ro /
    ! touch /tmp/x 2>/dev/null
    exec "$@"`;
  const pid = String(process.pid);
  const args = ['sh', process.execPath, cli, 'capture', '-p', pid, ...options.split(' '), '-s', '0'];
  const report = reportOf(t, run('unshare', [...words, script, ...args]));
  t.true(threadsOf(report).length > 0);
});

test('with the capabilities of the documented command lines and no others', (t) => {
  const readme = readFileSync(new URL('../../docs/containers.md', import.meta.url), 'utf8');
  const manifest = readFileSync(new URL('../../deploy/daemonset.yaml', import.meta.url), 'utf8');
  const [, list = ''] = /add: \[(.*)\]/.exec(manifest) ?? [];
  const granted = list.split(', ');
  t.true(granted.includes('BPF') && granted.length < 8);
  const [block = ''] = /docker run[\s\S]*?\n\n/.exec(readme) ?? [];
  t.deepEqual(
    [...block.matchAll(/--cap-add=(\w+)/g)].map(([, name]) => name),
    granted,
  );
  const set = ['-all', ...granted.map((name) => `+${name.toLowerCase()}`)].join(',');
  const words = [`--bounding-set=${set}`, `--inh-caps=${set}`, '--no-new-privs', '--', process.execPath, cli];
  const doctor = run('setpriv', [...words, 'doctor']);
  t.is(doctor.status, 0, doctor.stdout);
  const missing = [...doctor.stdout.matchAll(/^(CAP_\w+) +(?!ok)\w+/gm)].map(([, name]) => name);
  t.deepEqual(missing, ['CAP_SYS_ADMIN']);
});

test('a tracefs that is mounted read-only serves', (t) => {
  const script = `${withTracefs}\nmount -o remount,bind,ro /sys/kernel/tracing`;
  const args = ['capture', '-p', String(process.pid), '--sample-time', '0.01'];
  const ran = kdelayAfter(script, [], ...args, '--start-trigger', 't:sched:sched_switch');
  t.is(ran.status, 0, ran.stderr);
});
