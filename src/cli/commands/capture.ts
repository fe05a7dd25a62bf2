/** `kdelay capture`: targets → session → samples → format → output, in this order. */
import type { DebuginfodOptions } from '../../debuginfod/debug-files.js';
import { type DebugServers, debugServers } from '../../debuginfod/settings.js';
import { type ExitStatus, KdelayError } from '../../errors.js';
import { findFormat, type Pieces } from '../../formats/index.js';
import { perfetto } from '../../formats/perfetto.js';
import { callNative, native } from '../../native/index.js';
import { buildHeader } from '../../report/header.js';
import { addLosses, lossWarnings, noLosses } from '../../report/losses.js';
import { pollFamily } from '../../report/poll.js';
import { problemWarnings } from '../../report/problems.js';
import type { Options } from '../../report/types.js';
import { type CadenceEnd, takeSamples } from '../../samples/cadence.js';
import { accessWarnings } from '../../session/access.js';
import { CaptureSession, type SessionOptions } from '../../session/session.js';
import { inChunks } from '../terminal/chunks.js';
import { note, warn } from '../terminal/messages.js';
import { noOutput, type Output, openOutput } from '../terminal/output.js';
import { createProgress } from '../terminal/progress.js';
import { listenForSignals, type SignalListener } from '../terminal/signals.js';
import type { Streams } from '../terminal/streams.js';
import { findTargets, type RunTargets, startCommand } from './capture-targets.js';

/** Captures and prints, and returns the exit code; throws KdelayError. What was seen before an error is printed first. */
export async function capture(options: Options, streams: Streams): Promise<ExitStatus> {
  const servers = options.debuginfod ? debugServers() : null;
  // Before anything attaches: that a file cannot be written must not show after an hour of capturing.
  const output = isTimeline(options)
    ? noOutput
    : await openOutput(options.output, streams.stdout, (file) =>
        callNative(() => native().keepAtSecondSignal(file)),
      );
  const signals = listenForSignals();
  try {
    return await captureTo(output, options, streams, signals, servers);
  } finally {
    signals.dispose();
    await output.close();
  }
}

/** The report is the time line, which native code writes. */
function isTimeline({ format }: Options): boolean {
  return format === perfetto.name;
}

function timelineOf(options: Options): Partial<SessionOptions> {
  if (isTimeline(options)) return { timeline: options.output ?? stdoutDescriptor };
  return options.timeline === null ? {} : { timeline: options.timeline };
}

const stdoutDescriptor = 1;

async function captureTo(
  output: Output,
  options: Options,
  streams: Streams,
  signals: SignalListener,
  servers: DebugServers | null,
): Promise<ExitStatus> {
  signals.quitAtSecond(native().exitAtSecondSignal);
  const targets =
    options.command === null
      ? await findTargets(options, native())
      : startCommand(options.command, options.output === null, native());
  try {
    const session = await CaptureSession.open({
      pids: targets.pids,
      leaveOutEnded: options.all,
      follow: options.follow,
      debugLevel: options.debug,
      skipUpcallStats: options.skipUpcallStats,
      who: options.who,
      recorderBytes: options.recorderBytes,
      ...(options.before === 0 ? {} : { before: options.before }),
      ...(options.criticalPath === null ? {} : { criticalPath: options.criticalPath }),
      ...timelineOf(options),
      verdict: options.verdict,
      ...(targets.program === null ? {} : { program: targets.program }),
      ...(options.command === null ? {} : { commandLine: options.command }),
      ...triggerOptions(options),
      ...eventOptions(options),
      ...(servers === null ? {} : { debuginfod: debuginfodOptions(servers, streams, signals) }),
      ...(options.threadCapacity === null ? {} : { threadCapacity: options.threadCapacity }),
    });
    try {
      const leftOut = targets.pids.length - session.targets.length;
      if (leftOut > 0) note(streams.stderr, leftOutText(leftOut, targets.pids.length));
      for (const text of session.triggerRemarks) note(streams.stderr, text);
      const result = await printSamples(session, output, options, streams, targets, signals.signal);
      for (const text of remarks(result, options, targets)) note(streams.stderr, text);
      // Behind the report, which is there whatever became of the time line.
      if (session.options.timeline !== undefined) await session.close();
      refuseTimeout(result.end, options);
      return result.end === 'signal' && result.taken === 0 ? signals.exitCode : 0;
    } finally {
      await session.close();
    }
  } finally {
    targets.close();
  }
}

function leftOutText(count: number, of: number): string {
  return `${count} of ${of} processes had ended before they were captured`;
}

function triggerOptions({
  startTrigger,
  stopTrigger,
  triggerScope,
  allowUretprobe,
}: Options): Partial<SessionOptions> {
  if (startTrigger === null && stopTrigger === null) return {};
  return {
    triggerScope,
    allowUretprobe,
    ...(startTrigger === null ? {} : { startTrigger }),
    ...(stopTrigger === null ? {} : { stopTrigger }),
  };
}

function eventOptions(options: Options): Partial<SessionOptions> {
  const { userStackBy, userStackBytes } = options;
  const stacks = { offCpu: options.offCpu !== null, userStackBy, userStackBytes };
  if (options.syscallEvents === null) return stacks;
  return {
    ...stacks,
    syscallEvents: {
      longerThanNs: options.syscallEvents,
      ...(options.syscall.length === 0 ? {} : { only: options.syscall }),
      except: options.skipSyscallPollEvents ? [...pollFamily] : [],
      stacks: options.stackTraceSize !== 0,
      limit: options.eventLimit,
      bufferPages: options.bufferPageCount,
    },
  };
}

function debuginfodOptions(
  servers: DebugServers,
  { stderr }: Streams,
  { signal }: SignalListener,
): DebuginfodOptions {
  const files = (count: number) => (count === 1 ? 'a debug file is' : `${count} debug files are`);
  const onFetch = (count: number) => note(stderr, `${files(count)} missing: asking debuginfod`);
  return { servers, signal, onFetch };
}

interface RunResult {
  taken: number;
  skipped: number;
  left: number;
  /** The first window was opened, or armed for its trigger. */
  begun: boolean;
  end: CadenceEnd;
}

async function printSamples(
  session: CaptureSession,
  output: Output,
  options: Options,
  { stderr }: Streams,
  targets: RunTargets,
  signal: AbortSignal,
): Promise<RunResult> {
  const formatter = findFormat(options.format).create(options);
  const progress = createProgress(stderr, options);
  let begun = false;
  const samples = takeSamples(session, options, {
    signal,
    async onOpen(index) {
      begun = true;
      if (index === 0) await targets.release(signal);
      progress.windowOpened(index);
    },
    onClosed: progress.windowClosed,
  });
  let taken = 0;
  let skipped = 0;
  let left = 0;
  let end: CadenceEnd = 'complete';
  let losses = noLosses;
  const problems: string[] = [];
  let header = all(formatter.header(buildHeader(session.targets, options)));
  let hasPrinted = false;
  let wanted = true;
  const footer = () => all(formatter.footer(session.targets));
  // The header goes with the first text, not before: a run that fails at once prints nothing but its error. `end`: what makes a whole of it
  // once that is printed.
  const print = async (pieces: () => Pieces, end: () => string) => {
    if (!hasPrinted) output.keep(() => header + footer());
    hasPrinted = true;
    for await (const text of inChunks([header], pieces())) wanted = wanted && (await output.write(text));
    header = '';
    output.keep(end);
  };
  try {
    while (wanted) {
      const next = await samples.next();
      if (next.done === true) {
        end = next.value;
        break;
      }
      if ('skipped' in next.value) {
        if (next.value.skipped.stop.by === 'left') left++;
        else skipped++;
        const { skipped: window } = next.value;
        await print(() => formatter.skipped(window), footer);
        continue;
      }
      const { sample } = next.value;
      taken++;
      losses = addLosses(losses, sample.losses);
      problems.push(...sample.stackProblems);
      await print(() => formatter.sample(sample, session.targets), footer);
    }
  } finally {
    // Also after an error in a later sample: what was seen is not thrown away.
    if (wanted && (hasPrinted || end !== 'complete')) {
      await print(
        () => formatter.footer(session.targets),
        () => '',
      );
    }
  }
  const closed = await accessWarnings(targets.pids);
  const warnings = [...lossWarnings(losses), ...problemWarnings(problems), ...closed];
  for (const { what, advice } of warnings) warn(stderr, what, advice);
  return { taken, skipped, left, begun, end };
}

/** In one string: headers and footers are short. */
function all(pieces: Pieces): string {
  return [...pieces].join('');
}

/** What the report does not say about how the run ended. */
function remarks(result: RunResult, options: Options, targets: RunTargets): string[] {
  const { end, taken } = result;
  const texts = targets.remarks();
  if (end === 'signal' && taken === 0) texts.push(`${whatSignalEnded(result)}: no sample was taken`);
  if (end !== 'exit') return texts;
  const missing = options.sampleCount - taken;
  // A command that ends is what one waits for; only what is missing then needs a word.
  if (options.command === null) texts.push(`the target ended; the report holds what was seen until then`);
  if (missing > 0)
    texts.push(`${missing} of ${options.sampleCount} samples were not taken: the target had ended`);
  return texts;
}

/** A window that is open is closed by a signal, and is a sample: hence there was none. */
function whatSignalEnded({ begun, skipped, left }: RunResult): string {
  if (skipped > 0) return 'ended by a signal before a window was as long as --trigger-delta';
  if (left > 0) return 'ended by a signal before a call returned: each was left without a return';
  return begun
    ? 'ended by a signal before the start trigger fired'
    : 'ended by a signal before the first window was opened';
}

/** A trigger that did not fire: an error, but what was seen before has been printed. */
function refuseTimeout(end: CadenceEnd, options: Options): void {
  if (end !== 'start-timeout' && end !== 'stop-timeout') return;
  const [which, trigger] =
    end === 'start-timeout' ? ['start', options.startTrigger] : ['stop', options.stopTrigger];
  throw new KdelayError(
    'TRIGGER_TIMEOUT',
    `--trigger-timeout: the ${which} trigger ${trigger} did not fire in ${options.triggerTimeout} s`,
    'is it what runs? kdelay probes lists what can be a trigger',
  );
}
