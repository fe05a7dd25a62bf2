/** The real command line with the real native module, also in a world that lacks something. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { Report, Sample } from '../../src/report/types.js';

export const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

export function kdelay(...args: string[]): Ran {
  return run(process.execPath, [cli, ...args]);
}

export function run(command: string, args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 256 << 20 });
  return { status, stdout, stderr };
}

/** While this process goes on, for example to read what another program prints. */
export function runMeanwhile(command: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { maxBuffer: 256 << 20 }, (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}

async function reported(...args: string[]): Promise<{ report: Report; stderr: string }> {
  const { status, stdout, stderr } = await runMeanwhile(process.execPath, [
    cli,
    'capture',
    '-f',
    'json',
    ...args,
  ]);
  if (status !== 0) throw new Error(stderr);
  return { report: JSON.parse(stdout) as Report, stderr };
}

/** Those of a capture with these arguments, which must succeed. */
export async function samples(...args: string[]): Promise<Sample[]> {
  return (await reported(...args)).report.samples;
}

/**
 * Of a command that is captured from its beginning to its end, with these options: its sample, and what it wrote to stderr as a line of
 * JSON, if it wrote any.
 */
export async function sampleOfRun<T>(
  options: readonly string[],
  ...command: string[]
): Promise<{ sample: Sample; truth: T }> {
  const { report, stderr } = await reported(...options, '--sample-time', '60', '--', ...command);
  const [sample] = report.samples;
  if (sample === undefined) throw new Error(stderr);
  return { sample, truth: JSON.parse(stderr.match(/^\{.*\}$/m)?.[0] ?? '{}') };
}

/**
 * What is on stderr but for one warning: where the kernel hides switches (docs/limitations.md), a capture may say so at
 * any time.
 */
export function butHiddenSwitches(stderr: string): string {
  return stderr.replace(/^kdelay: warning: \d+ switches or wakeups were not .*\nhint: .*\n/gm, '');
}

/** Script for `kdelayAfter`: no tracefs, wherever it is; and one, whether there was one or not. */
export const withoutTracefs =
  'while mountpoint -q /sys/kernel/tracing; do umount -l /sys/kernel/tracing; done';
export const withTracefs = `${withoutTracefs}\nmount -t tracefs none /sys/kernel/tracing`;

/** In a mount namespace of its own, after these lines of shell script. `$@` is what follows in `words`. */
export function kdelayAfter(script: string, words: readonly string[], ...args: string[]): Ran {
  const whole = `set -e\n${script}\nshift ${words.length}\nexec "$@"`;
  return run('unshare', ['--mount', 'sh', '-c', whole, 'sh', ...words, process.execPath, cli, ...args]);
}

/** One line, a hint, no stack, no report, this exit code. */
export function assertRefused(
  t: ExecutionContext,
  ran: Ran,
  status: number,
  message: RegExp,
  hint?: RegExp,
): void {
  t.is(ran.status, status, ran.stderr);
  t.is(ran.stdout, '');
  const [first = '', second = '', ...others] = ran.stderr.trimEnd().split('\n');
  t.regex(first, /^kdelay: /);
  t.regex(first, message);
  t.regex(second, /^hint: ./);
  if (hint !== undefined) t.regex(ran.stderr, hint);
  // A hint may go on, indented.
  for (const line of others) t.regex(line, /^ {6}\S/);
  t.notRegex(ran.stderr, /^ +at /m);
}
