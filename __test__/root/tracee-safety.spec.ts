/** A captured program lives, and computes what it computes without kdelay: whatever it does with its stack, and whenever triggers are attached and detached. KDELAY_TRACEE_SECONDS is for how long each program is tried. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { exitCodes } from '../../src/errors.js';
import { cli, run, runMeanwhile } from './cli.js';
import { Programs } from './programs.js';
import { tracedPrograms } from './traced-programs.js';

const seconds = Number(process.env['KDELAY_TRACEE_SECONDS'] ?? 2);
/** Each is followed by at least a millisecond. */
const rounds = String(Math.ceil(seconds * 500));

const mostLives = 10;

const programs = new Programs();
test.after.always(() => programs.end());

/** What may come of a capture that is begun at any moment of a program's life. */
const allowed: (number | null)[] = [
  0,
  exitCodes.TRIGGER_TIMEOUT,
  exitCodes.PROCESS_ENDED,
  exitCodes.NO_SUCH_PROCESS,
];

for (const { title, compiler, extension, source, flags, traced } of tracedPrograms) {
  test.serial(title, async (t) => {
    const program = programs.compile(compiler, extension, source, ...flags);
    const alone = run(program, [rounds]);
    t.is(alone.status, 0, alone.stderr);
    let fired = 0;
    // Beside a load one life may be over before a capture has begun.
    for (let life = 0; life < mostLives && fired === 0; life++) {
      const child = spawn(program, [rounds], { stdio: ['ignore', 'pipe', 'pipe'] });
      const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
      const kinds = [
        ['--start-trigger', `up:${traced}`, '--stop-trigger', `ur:${traced}`],
        ['--start-trigger', `ur:${traced}`, '--sample-time', '0.02'],
        ['--start-trigger', `up:${traced}`, '--sample-time', '0.001'],
        ['--start-trigger', `ur:${traced}`, '--stop-trigger', `up:${traced}`, '-s', '0'],
      ];
      for (let round = 0; child.exitCode === null && child.signalCode === null; round++) {
        await delay(Math.random() * 20);
        const kind = kinds[round % kinds.length] ?? [];
        const pid = String(child.pid);
        const ran = await runMeanwhile(process.execPath, [
          ...[
            cli,
            'capture',
            '-p',
            pid,
            '-f',
            'json',
            '--trigger-timeout',
            '0.3',
            '--sample-count',
            '3',
            ...kind,
          ],
        ]);
        t.true(allowed.includes(ran.status), `${ran.status} ${ran.stderr}`);
        t.notRegex(ran.stderr, /cannot be told|refused/);
        if (ran.status === 0) fired++;
      }
      const [stdout, stderr, [code, signal]] = await ended;
      t.deepEqual([stdout, stderr, code, signal], [alone.stdout, alone.stderr, 0, null]);
    }
    t.true(fired > 0, 'no trigger fired');
  });
}
