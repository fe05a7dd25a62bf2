/**
 * The verdict on real programs that do one thing: what each rule is there for. They are before all other programs at the CPU: what
 * else a machine does is none of their verdict.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Finding, Sample } from '../../src/report/types.js';
import { captured, truthOf } from './captured.js';
import { samples } from './cli.js';

const realTime = { isRealTime: true };

type Verdicted = Pick<Sample, 'verdict'>;

/** The finding by this rule, of one thread if it is named. */
function finding(t: ExecutionContext, sample: Verdicted, rule: Finding['rule'], tid?: number): Finding {
  const found = sample.verdict?.findings.find(
    (candidate) => candidate.rule === rule && (tid === undefined || candidate.tid === tid),
  );
  if (found === undefined) throw new Error(`no ${rule} in ${JSON.stringify(sample.verdict, null, 1)}`);
  t.not(found.text, '');
  return found;
}

/** Of a command that is captured to its end. */
async function sampleOf(...command: string[]): Promise<Sample> {
  const [sample] = await samples('--', 'chrt', '--rr', '1', ...command);
  if (sample === undefined) throw new Error('no sample');
  return sample;
}

test.serial('starved of CPU: by whom', async (t) => {
  const { sample, truth } = await captured(['contend', '400'], realTime);
  const rivals = truth.threads.filter(({ name }) => name !== 'main');
  t.is(rivals.length, 2);
  for (const { tid } of rivals) {
    const { text } = finding(t, sample, 'waits-for-cpu', tid);
    const others = rivals.filter((rival) => rival.tid !== tid);
    for (const other of others) t.true(text.includes(String(other.tid)), text);
  }
});

test.serial('busy in user code: not for the kernel to answer', async (t) => {
  const { sample, truth } = await captured(['spin', '300'], realTime);
  finding(t, sample, 'user-code', truthOf(truth, 'spinner').tid);
});

test.serial('one long call on a CPU', async (t) => {
  const { sample, truth } = await captured(['spinkernel', '300'], realTime);
  const { text } = finding(t, sample, 'kernel-code', truthOf(truth, 'burner').tid);
  t.regex(text, /readv/);
});

test.serial('stopped by a signal', async (t) => {
  const { sample, truth } = await captured(['stop', '100'], realTime);
  for (const name of ['spinner', 'blocked']) finding(t, sample, 'stopped', truthOf(truth, name).tid);
});

test.serial('blocked for another thread: by futex, and who woke it', async (t) => {
  const { sample, truth } = await captured(['handoff', '20000'], realTime);
  const pair = truth.threads.filter(({ name }) => name !== 'main');
  const found = pair.map(({ tid }) => finding(t, sample, 'lock', tid).text);
  t.true(
    found.every((text) => text.includes('futex')),
    found.join('\n'),
  );
});

test.serial('too many system calls', async (t) => {
  const sample = await sampleOf('dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=500000', 'status=none');
  finding(t, sample, 'many-calls');
});

test.serial('a slow call: which, how long, and what it waited for', async (t) => {
  // A thread that does nothing but wait is idle.
  const busy = 'for ((i = 0; i < 100000; i++)); do :; done';
  const server = createServer((socket) => setTimeout(() => socket.end('late\n'), 300));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const sample = await sampleOf(
      'bash',
      '-c',
      `exec 3<>/dev/tcp/127.0.0.1/${port}; read -r -u 3 answer; ${busy}`,
    );
    const { text, next } = finding(t, sample, 'slow-call');
    t.regex(text, /read/);
    t.regex(next ?? '', /--syscall read/);
  } finally {
    server.close();
  }
});

test.serial('interrupted: by packets that arrive in its own calls', async (t) => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  try {
    const send = `dd if=/dev/zero bs=100 count=200000 status=none >/dev/udp/127.0.0.1/${socket.address().port}`;
    const sample = await sampleOf('bash', '-c', `exec ${send}`);
    const { text } = finding(t, sample, 'interrupts');
    t.regex(text, /net_rx/);
  } finally {
    socket.close();
  }
});

test.serial('a loop that is long outside its poll', async (t) => {
  const busy =
    'setTimeout(() => { const end = Date.now() + 600; while (Date.now() < end); }, 100); setTimeout(() => {}, 900);';
  const sample = await sampleOf(process.execPath, '-e', busy);
  const { text } = finding(t, sample, 'long-poll');
  t.regex(text, /outside its poll/);
});

test.serial('idle: nobody is to blame', async (t) => {
  const sample = await sampleOf('sleep', '1');
  // Until it is before all others it may have had to wait.
  const found = sample.verdict?.findings.filter(({ rule }) => rule !== 'waits-for-cpu');
  t.deepEqual(found, []);
  t.true(sample.verdict?.enoughEvidence);
});
