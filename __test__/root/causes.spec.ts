/** What a refusal came of, as the library tells it: fields, whatever the kernel's and kdelay's words for it are. */
import test from 'ava';
import type { KdelayErrorCause, KdelayErrorCode } from '../../src/index.js';
import { run } from './cli.js';
import { asNobody, PublicCopy } from './unprivileged.js';

const copy = new PublicCopy();
test.after.always(() => copy.remove());

interface Refusal {
  code: KdelayErrorCode;
  cause: KdelayErrorCause | null;
}

/** What opening a session is refused with, in a process that is started by these words; null: it was opened. */
function refusal(words: readonly string[], pid = process.pid): Refusal | null {
  const script = `
    import { CaptureSession, KdelayError } from '${copy.folder}/kdelay/dist/index.js';
    try {
      const session = await CaptureSession.open({ pid: ${pid} });
      await session.close();
      console.log('null');
    } catch (error) {
      if (!(error instanceof KdelayError)) throw error;
      console.log(JSON.stringify({ code: error.code, cause: error.cause ?? null }));
    }`;
  const [command = '', ...args] = [...words, copy.node, '--input-type=module', '--eval', script];
  const { status, stdout, stderr } = run(command, args);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const eperm = { name: 'EPERM', number: 1 };

test('no capabilities: no map is made, which is about no probe', (t) => {
  const refused = refusal(asNobody());
  t.is(refused?.code, 'NOT_PERMITTED');
  t.deepEqual(refused?.cause?.errno, eperm);
  t.is(refused?.cause?.deniedBy, 'capabilities');
  t.is(refused?.cause?.probe, null);
  t.regex(refused?.cause?.source ?? '', /not permitted/);
});

test('CAP_BPF alone: the probe that was refused is named', (t) => {
  const refused = refusal(asNobody('bpf'));
  t.is(refused?.code, 'NOT_PERMITTED');
  t.deepEqual(refused?.cause?.errno, eperm);
  t.is(refused?.cause?.deniedBy, 'capabilities');
  t.regex(refused?.cause?.probe ?? '', /^\w+$/);
});

test('a user namespace of its own: root would be no way out', (t) => {
  const refused = refusal(['unshare', '--user', '--map-root-user']);
  t.is(refused?.code, 'NOT_PERMITTED');
  t.deepEqual(refused?.cause?.errno, eperm);
  t.is(refused?.cause?.deniedBy, 'user namespace');
});

/** bpf(2) returns EPERM to this process and its children, as under a container's seccomp profile. */
const withoutBpf = `
import ctypes, os, platform, struct, sys
number = {'x86_64': 321, 'aarch64': 280}[platform.machine()]
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(lines), ctypes.addressof(code)))
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
    sys.exit('no seccomp filter')
os.execvp(sys.argv[1], sys.argv[1:])`;

test('a seccomp profile: it binds also root', (t) => {
  const refused = refusal(['python3', '-c', withoutBpf]);
  t.is(refused?.code, 'NOT_PERMITTED');
  t.deepEqual(refused?.cause?.errno, eperm);
  t.is(refused?.cause?.deniedBy, 'policy');
});

test('too few open files', (t) => {
  const refused = refusal(['prlimit', '--nofile=48']);
  t.is(refused?.code, 'IO');
  t.deepEqual(refused?.cause?.errno, { name: 'EMFILE', number: 24 });
  t.is(refused?.cause?.deniedBy, null);
});

test('a kernel without BTF: the file is missing', (t) => {
  const hidden = 'mount -t tmpfs none /sys/kernel/btf\nexec "$@"';
  const refused = refusal(['unshare', '--mount', 'sh', '-c', hidden, 'sh']);
  t.is(refused?.code, 'KERNEL_UNSUPPORTED');
  t.deepEqual(refused?.cause?.errno, { name: 'ENOENT', number: 2 });
});

test('a pid that no process has came of nothing below', (t) => {
  t.deepEqual(refusal([], 4_194_303), { code: 'NO_SUCH_PROCESS', cause: null });
});
