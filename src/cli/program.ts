/** The command line as commander sees it, fed from the option table. */
import { Command, Option } from 'commander';
import { exitStatuses, KdelayError } from '../errors.js';
import { effectiveOptions, type GivenOptions } from '../options/effective.js';
import { captureOptions, type OptionSpec, optionGroups } from '../options/table.js';
import { choice, nonEmpty, pids } from '../options/values.js';
import { version } from '../package.js';
import { capture } from './commands/capture.js';
import { type DoctorFormat, doctor, doctorFormats } from './commands/doctor.js';
import { type ProbesFormat, probes, probesFormats } from './commands/probes.js';
import type { Streams } from './terminal/streams.js';

/** `command`: what followed "--", null if nothing did. `exit` receives the exit code of a command that did not fail. */
export function createProgram(
  streams: Streams,
  command: readonly string[] | null,
  exit: (code: number) => void,
): Command {
  const program = new Command('kdelay')
    .description(
      'Tells, per thread of a live process, how long it spent in system calls, running, ready to run,\n' +
        'and in hard and soft interrupts, over exact windows of time. Needs root.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help about a command')
    .configureHelp({
      subcommandTerm: (subcommand) => subcommand.name(),
      // Arguments are taken only to refuse them in kdelay's own words: help must not offer them.
      visibleArguments: () => [],
      // The option table says all there is to say.
      optionDescription: (option) => option.description,
    })
    .addHelpText('after', programEpilogue);
  // Inherited by the commands made below, so it comes first.
  program.exitOverride().configureOutput({
    writeOut: (text) => streams.stdout.write(text),
    // Errors are thrown; run() prints them.
    writeErr: () => undefined,
    getOutHelpWidth: () => 100,
    getErrHelpWidth: () => 100,
  });
  addCapture(program, streams, command, exit);
  addProbes(program, streams, command);
  addDoctor(program, streams, command, exit);
  return program;
}

function addCapture(
  program: Command,
  streams: Streams,
  command: readonly string[] | null,
  exit: (code: number) => void,
): void {
  const subcommand = program
    .command('capture')
    .summary('capture processes and print what their threads waited for')
    .description('Captures processes that run, or a command from its first instruction to its last.')
    .usage('[options] [-- command …]')
    .argument('[unexpected...]')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', captureEpilogue)
    .action(async (unexpected: string[], given: GivenOptions) => {
      refuseArguments(unexpected, 'put -- before a command: kdelay capture -- sleep 1');
      exit(await capture(effectiveOptions(given, command), streams));
    });
  for (const spec of Object.values(captureOptions)) {
    subcommand.addOption(toOption(spec as OptionSpec<unknown>));
  }
}

function addDoctor(
  program: Command,
  streams: Streams,
  command: readonly string[] | null,
  exit: (code: number) => void,
): void {
  const formats = doctorFormats.join(', ');
  program
    .command('doctor')
    .summary('tell whether this machine can capture, and what to do if not')
    .description('Tries every probe on this kernel and tells what works, how, and what to do about the rest.')
    .usage('[options]')
    .argument('[unexpected...]')
    .helpOption('-h, --help', 'print help')
    .addOption(
      new Option('-f, --format <FORMAT>', `how to print it: ${formats} (default: text)`)
        .choices(doctorFormats)
        .argParser((text) => choice('--format', text, doctorFormats)),
    )
    .action(async (unexpected: string[], { format }: { format?: DoctorFormat }) => {
      refuseArguments([...unexpected, ...(command ?? [])], 'kdelay doctor takes options only');
      exit(await doctor(format ?? 'text', streams));
    });
}

interface GivenProbesOptions {
  pid?: number;
  name?: string;
  format?: ProbesFormat;
}

function addProbes(program: Command, streams: Streams, command: readonly string[] | null): void {
  const formats = probesFormats.join(', ');
  program
    .command('probes')
    .summary('list what can be a trigger, in the syntax that --start-trigger takes')
    .description(
      'Lists USDT probes and functions of a process, tracepoints, and functions of the kernel.\n' +
        'PATTERN is a part of the trigger’s text, or a glob if it holds * or ?.',
    )
    .usage('[options] [pattern]')
    .argument('[pattern]')
    .argument('[unexpected...]')
    .helpOption('-h, --help', 'print help')
    .addOption(
      new Option('-p, --pid <PID>', 'the process to look into (default: the kernel alone)').argParser(onePid),
    )
    .addOption(
      new Option('-n, --name <NAME>', 'the process with this name').argParser((text) =>
        nonEmpty('--name', 'a process name', text),
      ),
    )
    .addOption(
      new Option('-f, --format <FORMAT>', `how to print it: ${formats} (default: text)`)
        .choices(probesFormats)
        .argParser((text) => choice('--format', text, probesFormats)),
    )
    .addHelpText('after', probesEpilogue)
    .action(async (pattern: string | undefined, unexpected: string[], given: GivenProbesOptions) => {
      refuseArguments([...unexpected, ...(command ?? [])], 'kdelay probes takes one pattern');
      const { pid = null, name = null, format = 'text' } = given;
      if (pid !== null && name !== null) {
        throw new KdelayError(
          'INVALID_ARGUMENT',
          '--pid and --name: only one of them can be given',
          'leave out one',
        );
      }
      await probes({ pid, name, pattern: pattern ?? null, format }, streams);
    });
}

function onePid(text: string): number {
  const [pid, more] = pids('--pid', text);
  if (pid !== undefined && more === undefined) return pid;
  throw new KdelayError('INVALID_ARGUMENT', `--pid: “${text}” is not one process`, 'give one process id');
}

function toOption(spec: OptionSpec<unknown>): Option {
  const { flags, description, defaultText, parse, bare } = spec;
  const known = parse !== undefined && defaultText !== 'none';
  const suffix = known ? ` (default: ${defaultText.replaceAll('`', '')})` : '';
  const option = new Option(flags, description + suffix).helpGroup(`${optionGroups[spec.group]}:`);
  if (spec.choices !== undefined) option.choices(spec.choices);
  if (parse !== undefined) option.argParser((text, before) => parse(text, before));
  if (bare !== undefined) option.preset(bare);
  return option;
}

function refuseArguments(unexpected: readonly string[], hint: string): void {
  const [first] = unexpected;
  if (first !== undefined) throw new KdelayError('INVALID_ARGUMENT', `${first}: unexpected argument`, hint);
}

const programEpilogue = `
Examples:
  kdelay capture -p 1234                      half a second of process 1234
  kdelay capture -n postgres --all --follow   all of PostgreSQL, with the processes it starts
  kdelay probes -p 1234 malloc                what can start or stop a window
  kdelay doctor                               does this machine have what it takes?

kdelay COMMAND --help tells more. Completions: source <(kdelay complete bash), or zsh, fish.`;

const captureEpilogue = `
Ctrl-C ends the window, prints it and ends the run; a second one quits at once, and leaves in the
file of -o the samples that are whole by then.

Examples:
  kdelay capture -p 1234                                    one sample of half a second
  kdelay capture -p 1234 --sample-count 10 --sample-time 1  ten samples of a second
  kdelay capture -n nginx --all -f json -o report.json      every nginx, as JSON into a file
  kdelay capture -p 1234 -f ndjson | jq .windowNs           one line per sample, as it ends
  kdelay capture --follow -- make -j4                       a command and its children, until it ends
  kdelay capture -p 1234 --start-trigger up:f --stop-trigger ur:f --trigger-delta 1000000
                                                            a call of f that takes over a millisecond

Exit codes:
${Object.entries(exitStatuses)
  .map(([code, meaning]) => `${code.padStart(5)}  ${meaning}`)
  .join('\n')}`;

const probesEpilogue = `
Examples:
  kdelay probes sched                  tracepoints and kernel functions
  kdelay probes -p 1234 'u:*'          the USDT probes of process 1234
  kdelay probes -n postgres exec_      its functions, and the kernel's, with exec_ in their names`;
