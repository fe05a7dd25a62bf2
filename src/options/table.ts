/** The one table of `kdelay capture`'s options. It feeds the command line, docs/options.md and the report's echo of the options. */

import { limits, pollNames } from '../constants.js';
import { exitCodes } from '../errors.js';
import { formatNames } from '../formats/index.js';
import { type UserStackMethod, userStackMethods } from '../session/event-options.js';
import * as parse from './values.js';

const mostPages = limits.ringBytes / limits.pageBytes;

export const optionGroups = {
  target: 'Target',
  window: 'Window',
  trigger: 'Triggers',
  events: 'Single system calls and stacks',
  output: 'Output',
  diagnosis: 'Diagnosis',
} as const;

export interface OptionSpec<T> {
  /** Short and long form with its argument, as help shows them. */
  readonly flags: string;
  readonly group: keyof typeof optionGroups;
  /** A switch that is on by default is one for turning it off: `--no-…`. */
  readonly type: 'integer' | 'seconds' | 'text' | 'switch';
  /** The values it takes, in words. */
  readonly range: string;
  /** One line, no full stop. */
  readonly description: string;
  /** What the one line leaves out; for the documentation. */
  readonly help: string;
  readonly default: T;
  readonly defaultText: string;
  /** All values there are, if they are few. */
  readonly choices?: readonly string[];
  /** The argument's text when it is optional and left out. */
  readonly bare?: string;
  /** From the argument's text and, for an option given several times, the value so far. Throws INVALID_ARGUMENT. Switches have none. */
  readonly parse?: (text: string, before: T | undefined) => T;
}

function option<T>(spec: OptionSpec<T>): OptionSpec<T> {
  return spec;
}

export const triggerScopes = ['any', 'target'] as const;

const triggerRange =
  'u:PROVIDER:PROBE, t:SYSTEM:EVENT, k:FUNCTION, kr:FUNCTION, up:[OBJECT:]FUNCTION or ur:[OBJECT:]FUNCTION';
const maximumSeconds = 30 * 24 * 60 * 60;

/** Keys are the names in the report and, in kebab case, on the command line: after `no-` for a switch that is on by default. */
export const captureOptions = {
  pid: option<number[]>({
    flags: '-p, --pid <PID>',
    group: 'target',
    type: 'integer',
    range: 'process ids of 1 to 4194304; several with commas or by repeating the option',
    description: 'capture the process with this id; several: PID,PID or -p again',
    help: 'Without `-p`, `-n` or a command the target is the only running `ovs-vswitchd`. A single process is filtered at the lowest cost to the rest of the machine; with several the report tells them apart.',
    default: [],
    defaultText: 'the only running `ovs-vswitchd`',
    parse: (text, before) => parse.unique(before, parse.pids('--pid', text)),
  }),
  name: option<string[]>({
    flags: '-n, --name <NAME>',
    group: 'target',
    type: 'text',
    range: 'any non-empty name; may be repeated',
    description: 'capture the process with this name; may be repeated',
    help: 'The name is compared with the short name of the process and with the file name of its executable and of its first argument. Each name must match exactly one process, unless `--all` is given.',
    default: [],
    defaultText: 'none',
    parse: (text, before) => parse.unique(before, [parse.nonEmpty('--name', 'a process name', text)]),
  }),
  all: option<boolean>({
    flags: '--all',
    group: 'target',
    type: 'switch',
    range: 'on or off',
    description: 'capture every process that a name matches',
    help: 'Without it a name that matches several processes is refused, with a list of them.',
    default: false,
    defaultText: 'off',
  }),
  follow: option<boolean>({
    flags: '--follow',
    group: 'target',
    type: 'switch',
    range: 'on or off',
    description: 'capture children too that are forked during the run',
    help: '',
    default: false,
    defaultText: 'off',
  }),
  sampleCount: option<number>({
    flags: '--sample-count <N>',
    group: 'window',
    type: 'integer',
    range: '1 to 1000000000',
    description: 'number of samples to take',
    help: 'The run ends sooner with Ctrl-C, or when every target has ended.',
    default: 1,
    defaultText: '1',
    parse: (text) => parse.integer('--sample-count', text, 1, 1_000_000_000),
  }),
  sampleInterval: option<number>({
    flags: '--sample-interval <SECONDS>',
    group: 'window',
    type: 'seconds',
    range: '0 to 2592000 (30 days), with fractions',
    description: 'pause between samples',
    help: '',
    default: 0,
    defaultText: '0',
    parse: (text) => parse.seconds('--sample-interval', text, 0, maximumSeconds),
  }),
  sampleTime: option<number | null>({
    flags: '--sample-time <SECONDS>',
    group: 'window',
    type: 'seconds',
    range: 'over 0, at least a nanosecond, to 2592000 (30 days), with fractions',
    description: 'length of a sample',
    help: 'The kernel side closes the window itself, to the nanosecond. With a command and without this option the window lasts until the command ends.',
    default: 0.5,
    defaultText: '0.5; with a stop trigger: until it fires; with a command: until it ends',
    parse: (text) => parse.seconds('--sample-time', text, 1e-9, maximumSeconds),
  }),
  startTrigger: option<string | null>({
    flags: '--start-trigger <TRIGGER>',
    group: 'trigger',
    type: 'text',
    range: triggerRange,
    description: 'open a window when this fires, such as up:main (see kdelay probes)',
    help: 'The window opens in the kernel, at the very event. docs/triggers.md tells what each kind can name.',
    default: null,
    defaultText: 'none',
    parse: (text) => parse.nonEmpty('--start-trigger', 'a trigger', text),
  }),
  stopTrigger: option<string | null>({
    flags: '--stop-trigger <TRIGGER>',
    group: 'trigger',
    type: 'text',
    range: triggerRange,
    description: 'close the window when this fires',
    help: 'Without `--start-trigger` each window opens at once. Where that is a function’s entry and this its return, a window is one call.',
    default: null,
    defaultText: 'none',
    parse: (text) => parse.nonEmpty('--stop-trigger', 'a trigger', text),
  }),
  triggerScope: option<'any' | 'target'>({
    flags: '--trigger-scope <SCOPE>',
    group: 'trigger',
    type: 'text',
    range: triggerScopes.join(', '),
    description:
      'where triggers on kernel code fire: any, in whatever task is current; target, in the captured processes',
    help: 'Packets arrive in interrupts, where any task may be current: `any` is for those. USDT and user probes always fire in the captured processes only.',
    default: 'any',
    defaultText: 'any',
    choices: triggerScopes,
    parse: (text) => parse.choice('--trigger-scope', text, triggerScopes),
  }),
  allowUretprobe: option<boolean>({
    flags: '--allow-uretprobe',
    group: 'trigger',
    type: 'switch',
    range: 'on or off',
    description:
      'replace return addresses for triggers at returns that cannot be found; the program may crash',
    help: 'A trigger at a return (`ur:`) stands on each instruction by which the function is left. Where these cannot all be found, for example behind jumps that go by a register, it is refused. With this option the return address on the stack is replaced instead (a uretprobe): a Go program aborts of it, an exception or a panic that crosses the function ends the program, as do fibers and the cancellation of threads in it, and user stacks end there.',
    default: false,
    defaultText: 'off',
  }),
  triggerDelta: option<number>({
    flags: '--trigger-delta <NS>',
    group: 'trigger',
    type: 'integer',
    range: '0 to 2592000000000000 (30 days)',
    description:
      'drop samples that the stop trigger ended sooner than this many nanoseconds; they do not count',
    help: '',
    default: 0,
    defaultText: '0',
    parse: (text) => parse.integer('--trigger-delta', text, 0, maximumSeconds * 1e9),
  }),
  triggerTimeout: option<number | null>({
    flags: '--trigger-timeout <SECONDS>',
    group: 'trigger',
    type: 'seconds',
    range: 'over 0, at least a nanosecond, to 2592000 (30 days), with fractions',
    description: `give up when a trigger does not fire in this time, with exit code ${exitCodes.TRIGGER_TIMEOUT}`,
    help: 'It counts anew for each trigger. A window that waits for its stop trigger is closed then and printed.',
    default: null,
    defaultText: 'none',
    parse: (text) => parse.seconds('--trigger-timeout', text, 1e-9, maximumSeconds),
  }),
  before: option<number>({
    flags: '--before <MS>',
    group: 'trigger',
    type: 'integer',
    range: `1 to ${limits.beforeMs}`,
    description: 'also record what came before the start trigger, for so many ms',
    help: 'The critical path then begins so long before the window, and who had a CPU or held a lock as it began is known. Switches and wakeups are recorded all the time for that, not only while a window is open.',
    default: 0,
    defaultText: 'nothing',
    parse: (text) => parse.integer('--before', text, 1, limits.beforeMs),
  }),
  syscallEvents: option<number | null>({
    flags: '-s, --syscall-events [NS]',
    group: 'events',
    type: 'integer',
    range: '0 to 2592000000000000 (30 days)',
    description: 'record each system call; with NS only those that took longer than so many nanoseconds',
    help: 'Calls that began and ended inside the window are printed one by one, in the order of time, with arguments and result. Calls that are shorter cost nothing more.',
    default: null,
    defaultText: 'off',
    bare: '0',
    parse: (text) => parse.integer('--syscall-events', text, 0, maximumSeconds * 1e9),
  }),
  skipSyscallPollEvents: option<boolean>({
    flags: '--skip-syscall-poll-events',
    group: 'events',
    type: 'switch',
    range: 'on or off',
    description: `with -s, do not record calls that only wait: ${pollNames.join(', ')}`,
    help: 'A server spends its idle time in one of these. Their 32-bit forms are left out too.',
    default: false,
    defaultText: 'off',
  }),
  syscall: option<string[]>({
    flags: '--syscall <NAME[,NAME]>',
    group: 'events',
    type: 'text',
    range: 'names as strace shows them; several with commas or by repeating the option',
    description: 'with -s, record only calls of these names',
    help: 'The statistics are of all calls all the same.',
    default: [],
    defaultText: 'every call',
    parse: (text, before) => parse.unique(before, parse.names('--syscall', 'a system call', text)),
  }),
  eventLimit: option<number>({
    flags: '--event-limit <N>',
    group: 'events',
    type: 'integer',
    range: '1 to 10000000',
    description: 'with -s, keep at most so many calls of a sample: the longest',
    help: 'What is left out is counted and reported. A call takes some 170 bytes of memory.',
    default: 100_000,
    defaultText: '100000',
    parse: (text) => parse.integer('--event-limit', text, 1, 10_000_000),
  }),
  stackTraceSize: option<number>({
    flags: '--stack-trace-size <N>',
    group: 'events',
    type: 'integer',
    range: '0 to 1048576',
    description: 'with -s, 0: record calls without stacks',
    help: 'Any other value records them: no table of stacks can overflow here, so that its size does not matter.',
    default: 4096,
    defaultText: '4096',
    parse: (text) => parse.integer('--stack-trace-size', text, 0, 1_048_576),
  }),
  userStackBy: option<UserStackMethod>({
    flags: '--user-stack-by <METHOD>',
    group: 'events',
    type: 'text',
    range: userStackMethods.join(', '),
    description: 'with -s or --off-cpu, how user stacks are found: dwarf, from a copy; fp, by frame pointers',
    help: '`dwarf` goes by the unwind tables of the program and its libraries. `fp` is for programs that are compiled with frame pointers, all of them and their libraries: others have callers left out, and stacks that end early. It finds up to 127 callers however much they have on the stack, and where those are few it takes less time.',
    default: 'dwarf',
    defaultText: 'dwarf',
    choices: userStackMethods,
    parse: (text) => parse.choice('--user-stack-by', text, userStackMethods),
  }),
  userStackBytes: option<number>({
    flags: '--user-stack-bytes <N>',
    group: 'events',
    type: 'integer',
    range: `0 to ${limits.stackBytes}, rounded up to a power of two, at least ${limits.pageBytes}`,
    description: 'with -s or --off-cpu, bytes to copy from user stacks; 0: no user stacks',
    help: 'Functions are found in the copy by the unwind tables of the program and its libraries: frame pointers are not needed. A deeper stack is cut, and says so.',
    default: 16_384,
    defaultText: '16384',
    parse: (text) => parse.pages(parse.integer('--user-stack-bytes', text, 0, limits.stackBytes)),
  }),
  offCpu: option<number | null>({
    flags: '--off-cpu [N]',
    group: 'events',
    type: 'integer',
    range: '1 to 1000000',
    description:
      'sum up time blocked by stack; the text report has the N longest of each thread, 10 if left out',
    help: 'A hundred thousand short waits are as visible as a long one. A stack is taken each time a thread blocks, which costs it some microseconds. What began before the sample or ends after it is in the time budget only.',
    default: null,
    defaultText: 'off',
    bare: '10',
    parse: (text) => parse.integer('--off-cpu', text, 1, 1_000_000),
  }),
  debuginfod: option<boolean>({
    flags: '--debuginfod',
    group: 'events',
    type: 'switch',
    range: 'on or off',
    description: 'with -s or --off-cpu, fetch missing debug files from the servers of DEBUGINFOD_URLS',
    help: 'Of the programs and libraries on the stacks those that have no debug information, and none on this machine, are asked for by build id, once the sample is taken. The files stay where other clients of debuginfod find them. docs/stacks.md has the rest.',
    default: false,
    defaultText: 'off',
  }),
  format: option<string>({
    flags: '-f, --format <FORMAT>',
    group: 'output',
    type: 'text',
    range: formatNames.join(', '),
    description: `how to print the report: ${formatNames.join(', ')}`,
    help: '`folded` is time blocked by stack, as flame graphs are drawn from, in ns; it needs `--off-cpu`. `perfetto` is the time line of `--timeline`, and no report. `text`, `json` and `ndjson` print each sample as it ends; `json` is one document, in which the targets stand behind the samples, as only then all of them are known. `schema/kdelay-1.schema.json` describes both JSON forms.',
    default: 'text',
    defaultText: 'text',
    choices: formatNames,
    parse: (text) => parse.choice('--format', text, formatNames),
  }),
  histograms: option<boolean>({
    flags: '--histograms',
    group: 'output',
    type: 'switch',
    range: 'on or off',
    description: 'in the text report, print below each table how often durations of each size occurred',
    help: 'A bar for each power of two. `json` and `ndjson` always have them, with four buckets for each.',
    default: false,
    defaultText: 'off',
  }),
  verdict: option<boolean>({
    flags: '--no-verdict',
    group: 'output',
    type: 'switch',
    range: 'on or off',
    description: 'leave out what the numbers say in words, and what to do next',
    help: 'A sample begins with it. docs/report.md tells of its rules.',
    default: true,
    defaultText: 'samples have it',
  }),
  output: option<string | null>({
    flags: '-o, --output <FILE>',
    group: 'output',
    type: 'text',
    range: 'a path',
    description: 'write the report to this file',
    help: 'The file is opened before anything is captured, and keeps its former content until there is something to write. A second Ctrl-C leaves in it the samples that are whole by then; what went to a pipe or to standard output cannot be taken back. The standard output of a command is then its own; without `-o` it goes to standard error, so that standard output holds the report only.',
    default: null,
    defaultText: 'standard output',
    parse: (text) => parse.nonEmpty('--output', 'a file name', text),
  }),
  timeline: option<string | null>({
    flags: '--timeline <FILE>',
    group: 'output',
    type: 'text',
    range: 'a path',
    description: 'write what all threads and CPUs did in the samples to this file, for ui.perfetto.dev',
    help: 'It comes beside the report, in whatever format that is. docs/timeline.md tells what is in it. It is opened as the file of `-o` is, and written while samples are taken.',
    default: null,
    defaultText: 'none',
    parse: (text) => parse.nonEmpty('--timeline', 'a file name', text),
  }),
  debug: option<number>({
    flags: '-D, --debug [LEVEL]',
    group: 'diagnosis',
    type: 'integer',
    range: '0 to 7; a bit mask: 1 the verifier’s log, 2 with every instruction, 4 its statistics',
    description: 'print verifier log and attach decisions on stderr; LEVEL is 0 to 7, 1 if left out',
    help: 'The verifier’s log is that of programs which the kernel refuses. An unexpected error is printed with its stack.',
    default: 0,
    defaultText: '0 (off)',
    bare: '1',
    parse: (text) => parse.integer('--debug', text, 0, 7),
  }),
  skipUpcallStats: option<boolean>({
    flags: '--skip-upcall-stats',
    group: 'events',
    type: 'switch',
    range: 'on or off',
    description: 'do not count Open vSwitch’s upcalls',
    help: 'They are counted on the whole machine, by CPU and result, where the module openvswitch is loaded and tells of its upcalls.',
    default: false,
    defaultText: 'off',
  }),
  who: option<boolean>({
    flags: '--no-who',
    group: 'diagnosis',
    type: 'switch',
    range: 'on or off',
    description: 'do not tell who ran instead of a thread, who woke it, nor what it waited for',
    help: 'Without it each switch and each wakeup on the machine takes less time.',
    default: true,
    defaultText: 'it is attributed',
  }),
  recorderBytes: option<number>({
    flags: '--recorder-bytes <N>',
    group: 'diagnosis',
    type: 'integer',
    range: `${limits.pageBytes} to ${limits.recorderBytes}, rounded up to a power of two`,
    description:
      'bytes of each CPU’s ring of switches and wakeups, from which is told who ran, who woke, and what waits were for',
    help: 'A switch or a wakeup of any task takes 32 bytes while a window is open. A ring is read each time that an eighth of it was filled: the default holds a second of 50,000 switches and as many wakeups. What is overwritten before it was read is counted and reported.',
    default: 4_194_304,
    defaultText: '4194304',
    parse: (text) =>
      parse.nextPowerOfTwo(parse.integer('--recorder-bytes', text, limits.pageBytes, limits.recorderBytes)),
  }),
  criticalPath: option<number | null>({
    flags: '--critical-path <TID>',
    group: 'output',
    type: 'integer',
    range: 'a thread id',
    description: 'tell what this thread did and waited for, from each window’s end back to its beginning',
    help: 'The thread may be any of the machine’s. By default a window that a trigger closes has the path of the thread in which that fired, and others have none.',
    default: null,
    defaultText: 'the thread of the stop trigger',
    parse: (text) => parse.pid('--critical-path', text),
  }),
  threadCapacity: option<number | null>({
    flags: '--thread-capacity <N>',
    group: 'diagnosis',
    type: 'integer',
    range: `1 to ${limits.threads}`,
    description: 'threads that can have numbers at the same time',
    help: 'By default twice as many as the targets have at the start, and at least 3072 (4096 with `--follow`). Threads that end make room for others, also within a sample. Each takes 3 KB of kernel memory, and 10 more for sixteen different system calls: fewer than 768 threads by default share the room for these. The report says how many events were lost because there was no room.',
    default: null,
    defaultText: 'from the number of threads',
    parse: (text) => parse.integer('--thread-capacity', text, 1, limits.threads),
  }),
  bufferPageCount: option<number>({
    flags: '--buffer-page-count <N>',
    group: 'events',
    type: 'integer',
    range: `1 to ${mostPages}, rounded up to a power of two`,
    description: 'with -s, pages of the ring buffer in which calls wait to be read',
    help: 'Of 4096 bytes, whatever the machine’s own. The default holds some 35,000 calls, and is looked at every 2 ms. What does not fit is counted and reported.',
    default: 1024,
    defaultText: '1024',
    parse: (text) => parse.nextPowerOfTwo(parse.integer('--buffer-page-count', text, 1, mostPages)),
  }),
};
