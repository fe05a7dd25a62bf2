/** What each capability is good for: the rows of docs/privileges.md, tried by a user who has nothing else. */
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import type { Report } from '../../src/index.js';
import { assertRefused, cli, type Ran, run, withTracefs } from './cli.js';
import { Programs } from './programs.js';
import { asNobody, PublicCopy } from './unprivileged.js';

const programs = new Programs();
const copy = new PublicCopy();
test.after.always(() => {
  programs.end();
  copy.remove();
});

const enough = ['bpf', 'perfmon'];
const closed = /are not named: \/proc\/\d+\/syscall is closed to this user/;

/** Once it has become this program, and sleeps. */
async function sleeping(program: string, ...words: string[]): Promise<number> {
  const [command = '', ...args] = words;
  const pid = await programs.start(command, ...args);
  const isSleeping = () => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return (
      stat.includes(`(${program}) S`) && readFileSync(`/proc/${pid}/syscall`, 'utf8').match(/^\d/) !== null
    );
  };
  for (let waitedMs = 0; !isSleeping() && waitedMs < 30_000; waitedMs += 10) await setTimeout(10);
  return pid;
}

const ofRoot = sleeping('sleep', 'sleep', '600');
const ofNobody = sleeping('sleep', ...asNobody(), 'sleep', '600');
/** Calls select(2) every 5 ms. */
const busyOfRoot = programs.start('perl', '-e', 'select undef, undef, undef, 0.005 while 1');

const calls = ({ samples }: Report) => samples[0]?.threads[0]?.syscalls.map(({ name }) => name);

for (const [capabilities, missing] of [
  [[], 'CAP_BPF and CAP_PERFMON'],
  [['bpf'], 'CAP_PERFMON'],
  [['perfmon'], 'CAP_BPF'],
  [['sys_ptrace', 'syslog', 'dac_read_search'], 'CAP_BPF and CAP_PERFMON'],
] as const)
  test(`${capabilities.join(', ') || 'nothing'}: refused, with what is missing and the line that works`, async (t) => {
    const args = ['capture', '-p', String(await ofNobody), '--sample-time', '0.01'];
    const ran = copy.kdelay(capabilities, ...args);
    assertRefused(t, ran, 77, /not permitted/, new RegExp(`grant this process ${missing}:`));
    t.true(ran.stderr.endsWith(`\n      sudo ${copy.node} ${copy.cli} ${args.join(' ')}\n`), ran.stderr);
  });

test('CAP_BPF and CAP_PERFMON: all of one’s own processes', async (t) => {
  const report = copy.capture(enough, await ofNobody);
  t.deepEqual(calls(report), ['clock_nanosleep']);
  t.regex(report.targets[0]?.exe ?? '', /sleep$/);
  t.notRegex(report.stderr, closed);
});

test('CAP_BPF and CAP_PERFMON: of others’ processes times and counts, and a word on what is missing', async (t) => {
  const pid = await ofRoot;
  const report = copy.capture(enough, pid);
  t.is(report.samples[0]?.threads[0]?.budget.blockedNs, report.samples[0]?.windowNs);
  t.deepEqual(calls(report), []);
  t.is(report.targets[0]?.exe, null);
  t.is(report.targets[0]?.comm, 'sleep');
  t.regex(report.stderr, new RegExp(`process ${pid} .*${closed.source}\nhint: It takes CAP_SYS_PTRACE`));
  t.deepEqual(calls(copy.capture(enough, await busyOfRoot)), ['pselect6']);
});

test('CAP_SYS_PTRACE: executables and user stacks of others’ processes', async (t) => {
  const options = ['-s', '1000000', '--event-limit', '3'];
  const without = copy.capture(enough, await busyOfRoot, ...options);
  t.true(without.samples[0]?.stackProblems.some((line) => /no user stacks: .*Permission denied/.test(line)));
  t.regex(without.stderr, /hint: docs\/privileges.md says which capability that takes\./);
  const report = copy.capture([...enough, 'sys_ptrace'], await busyOfRoot, ...options);
  t.regex(report.targets[0]?.exe ?? '', /perl/);
  const [event] = report.samples[0]?.syscallEvents ?? [];
  t.is(event?.userStackEnd, 'complete');
  t.true(event?.userStack?.some(({ symbol }) => symbol === 'main'));
  // Not even the vDSO, which is read from another process's memory.
  t.false(report.samples[0]?.stackProblems.some((line) => /mapped file/.test(line)));
});

test('CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, both: calls in which others’ threads are blocked all along', async (t) => {
  for (const one of ['dac_read_search', 'sys_ptrace']) {
    const report = copy.capture([...enough, one], await ofRoot);
    t.deepEqual([calls(report), closed.test(report.stderr)], [[], true], one);
  }
  const report = copy.capture([...enough, 'dac_read_search', 'sys_ptrace'], await ofRoot);
  t.deepEqual([calls(report), closed.test(report.stderr)], [['clock_nanosleep'], false]);
});

test('CAP_SYSLOG: functions of the kernel', async (t) => {
  const symbols = (capabilities: string[]) =>
    copy
      .capture(capabilities, Number(pid), '-s', '1000000', '--event-limit', '20')
      .samples[0]?.syscallEvents?.flatMap(
        ({ kernelStack }) => kernelStack?.map(({ symbol }) => symbol) ?? [],
      );
  const pid = await busyOfRoot;
  const named = symbols([...enough, 'syslog']);
  t.true(named?.includes('do_syscall_64') || named?.includes('el0_svc'), String(named));
  const [command = '', ...words] = [...asNobody(), 'head', '-n', '1000', '/proc/kallsyms'];
  if (/^0*[1-9a-f]/m.test(run(command, words).stdout)) return t.log('kallsyms is open to all');
  t.true(symbols(enough)?.every((symbol) => symbol === null));
});

test('CAP_CHECKPOINT_RESTORE: functions of a program that was deleted', async (t) => {
  const program = join(copy.folder, 'deleted-perl');
  copyFileSync('/usr/bin/perl', program);
  const pid = await programs.start(program, '-e', 'select undef, undef, undef, 0.005 while 1');
  rmSync(program);
  const stacks = (...more: string[]) =>
    copy
      .capture(
        [...enough, 'sys_ptrace', 'dac_read_search', ...more],
        pid,
        '-s',
        '1000000',
        '--event-limit',
        '20',
      )
      .samples[0]?.syscallEvents?.flatMap(({ userStack }) => userStack?.map(({ symbol }) => symbol) ?? []);
  t.false(stacks()?.includes('Perl_pp_sselect'));
  t.true(stacks('checkpoint_restore')?.includes('Perl_pp_sselect'));
});

test('tracepoints take CAP_DAC_READ_SEARCH where tracefs is root’s alone', async (t) => {
  const args = ['capture', '-p', String(await busyOfRoot), '--sample-time', '0.01'];
  const trigger = ['--start-trigger', 't:sched:sched_switch'];
  const refused = copy.kdelayAfter(withTracefs, [...enough, 'sys_ptrace'], ...args, ...trigger);
  assertRefused(t, refused, 77, /tracefs is closed to this user/, /CAP_DAC_READ_SEARCH/);
  t.regex(
    copy.kdelayAfter(withTracefs, enough, 'doctor').stdout,
    /tracefs +degraded .* is closed to this user/,
  );
  const ran = copy.kdelayAfter(
    withTracefs,
    [...enough, 'sys_ptrace', 'dac_read_search'],
    ...args,
    ...trigger,
  );
  t.is(ran.status, 0, ran.stderr);
});

test('triggers in user code take CAP_SYS_ADMIN, or on older kernels CAP_PERFMON', async (t) => {
  const args = ['capture', '-p', String(await busyOfRoot), '--sample-time', '0.01'];
  const trigger = ['--start-trigger', 'up:Perl_pp_sselect'];
  const assertRuns = ({ status, stderr }: Ran) => t.is(status, 0, stderr);
  const ran = copy.kdelay([...enough, 'sys_ptrace'], ...args, ...trigger);
  if (ran.status === 0) t.log('CAP_PERFMON is enough on this kernel');
  else assertRefused(t, ran, 77, /the kernel refused up:Perl_pp_sselect/, /CAP_SYS_ADMIN since Linux 6\.16/);
  assertRuns(copy.kdelay([...enough, 'sys_ptrace', 'sys_admin'], ...args, ...trigger));
  const blind = copy.kdelay([...enough, 'sys_admin'], ...args, ...trigger);
  assertRefused(t, blind, 77, /\/proc\/\d+\/root: Permission denied/, /CAP_SYS_PTRACE/);
});

test('a process that hidepid hides is not told to be missing', async (t) => {
  const hidden = 'mount -t proc -o hidepid=2 proc /proc';
  const args = ['capture', '-p', String(await ofRoot), '--sample-time', '0.01'];
  assertRefused(t, copy.kdelayAfter(hidden, enough, ...args), 77, /is hidden/, /CAP_SYS_PTRACE/);
  t.is(copy.kdelayAfter(hidden, [...enough, 'sys_ptrace'], ...args).status, 0);
});

test('a command is not given what kdelay was', (t) => {
  const all = [...enough, 'sys_ptrace', 'syslog', 'dac_read_search', 'checkpoint_restore', 'net_raw'];
  const { status, stderr } = copy.kdelay(all, 'capture', '--', 'grep', '^Cap', '/proc/self/status');
  t.is(status, 0, stderr);
  // CAP_NET_RAW is none of kdelay's business.
  for (const set of ['Prm', 'Eff', 'Amb'])
    t.regex(stderr, new RegExp(`^Cap${set}:\\s+0000000000002000$`, 'm'));
});

test('the doctor tells of each missing capability what it costs and how it is granted', (t) => {
  const { status, stdout } = copy.kdelay(['bpf', 'perfmon', 'dac_read_search'], 'doctor');
  t.is(status, 0, stdout);
  for (const name of ['BPF', 'PERFMON', 'DAC_READ_SEARCH'])
    t.regex(stdout, new RegExp(`^CAP_${name} +ok +yes$`, 'm'));
  for (const name of ['SYS_PTRACE', 'CHECKPOINT_RESTORE', 'SYS_ADMIN']) {
    t.regex(stdout, new RegExp(`^CAP_${name} +degraded no: \\w`, 'm'));
    t.regex(stdout, new RegExp(`^- CAP_${name}: docker, podman: --cap-add=${name}; setpriv: `, 'm'));
  }
  const none = copy.kdelay([], 'doctor');
  t.is(none.status, 69);
  t.regex(none.stdout, /^privileges +failed +uid 65534 lacks CAP_BPF and CAP_PERFMON$/m);
  t.true(none.stdout.includes(`sudo ${copy.node} ${copy.cli} doctor\n`));
});

test('kdelay opens nothing for writing, and makes and changes no file, but for -o', async (t) => {
  const log = join(programs.folder, 'strace');
  const options = ['-s', '0', '--off-cpu', '--sample-time', '0.05', '-f', 'json'];
  const output = join(programs.folder, 'report.json');
  const written = (...more: string[]) => {
    const args = ['capture', '-p', String(pid), ...options, ...more];
    const traced = run('strace', [
      '-f',
      '-qq',
      '-e',
      'trace=file',
      '-o',
      log,
      process.execPath,
      cli,
      ...args,
    ]);
    t.is(traced.status, 0, traced.stderr);
    const changes =
      /O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)|^\d+ +(mkdir|mknod|rename|unlink|rmdir|symlink|link|truncate|chmod|fchmod|chown|lchown|fchown|utim|futim|setxattr|lsetxattr|mount)/;
    const lines = readFileSync(log, 'utf8').split('\n');
    t.true(lines.length > 100);
    return lines.filter((line) => changes.test(line)).map((line) => /"([^"]*)"/.exec(line)?.[1]);
  };
  const pid = await busyOfRoot;
  t.deepEqual(written(), []);
  t.deepEqual(written('-o', output), [output]);
});
