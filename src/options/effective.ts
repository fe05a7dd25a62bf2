/** From the options that were given to all of them, and what does not go together. */
import { resolve } from 'node:path';
import { KdelayError } from '../errors.js';
import type { Options } from '../report/types.js';
import { captureOptions } from './table.js';

/** The options someone gave; the others are absent. */
export type GivenOptions = Partial<Omit<Options, 'command'>>;

/** Of a run for which nothing is given. */
export function defaultOptions(): Omit<Options, 'command'> {
  return Object.fromEntries(
    Object.entries(captureOptions).map(([key, option]) => [key, option.default]),
  ) as unknown as Omit<Options, 'command'>;
}

/** Fills in the defaults and refuses what does not go together. Throws INVALID_ARGUMENT. */
export function effectiveOptions(given: GivenOptions, command: readonly string[] | null): Options {
  const options: Options = { ...defaultOptions(), ...given, command: command === null ? null : [...command] };
  const untilClosed = options.stopTrigger !== null || (command !== null && options.startTrigger === null);
  if (untilClosed && given.sampleTime === undefined) options.sampleTime = null;
  refuseConflicts(options);
  refuseTimelineConflicts(options);
  refuseTriggerConflicts(options);
  refuseRecorderConflicts(options, given);
  refuseEventConflicts(options, given);
  return options;
}

function refuseConflicts(options: Options): void {
  const { pid, name, all, command, sampleCount, sampleTime, histograms, format } = options;
  const byPid = pid.length > 0;
  const byName = name.length > 0;
  if (byPid && byName) {
    throw conflict('--pid and --name: only one of them can be given', 'give pids, or names, or neither');
  }
  if (command !== null && (byPid || byName || all)) {
    const option = byPid ? '--pid' : byName ? '--name' : '--all';
    throw conflict(`${option}: cannot be combined with a command`, 'leave out the option or the command');
  }
  if (command !== null && (command[0] ?? '') === '') {
    throw conflict('--: no command follows', 'for example: kdelay capture -- sleep 1');
  }
  if (histograms && format !== 'text') {
    throw conflict(
      `--histograms: it is of the text report, not of --format ${format}`,
      'leave it out: json and ndjson always have them',
    );
  }
  if (all && byPid) throw conflict('--all: needs names, not pids', 'use it with --name');
  if (sampleTime === null && options.stopTrigger === null && sampleCount > 1) {
    throw conflict('--sample-count: several samples of a command need a length', 'add --sample-time SECONDS');
  }
}

function refuseTimelineConflicts({ format, timeline, output }: Options): void {
  if (timeline === null) return;
  if (format === 'perfetto') {
    throw conflict('--timeline: --format perfetto is the time line already', 'leave out one of the two');
  }
  if (output !== null && resolve(output) === resolve(timeline)) {
    throw conflict('--timeline: the report goes to that file', 'give each a file of its own');
  }
}

function refuseTriggerConflicts(options: Options): void {
  const {
    startTrigger,
    stopTrigger,
    sampleTime,
    triggerDelta,
    triggerTimeout,
    triggerScope,
    allowUretprobe,
    before,
  } = options;
  if (stopTrigger !== null && sampleTime !== null) {
    throw conflict('--sample-time: the stop trigger ends the window', 'leave out one of the two');
  }
  if (stopTrigger === null && triggerDelta > 0) {
    throw conflict(
      '--trigger-delta: without a stop trigger nothing is shorter',
      'add --stop-trigger TRIGGER',
    );
  }
  if (startTrigger === null && before > 0)
    throw conflict('--before: nothing starts a window but the capture', 'add --start-trigger TRIGGER');
  if (startTrigger !== null || stopTrigger !== null) return;
  const option =
    triggerTimeout !== null
      ? '--trigger-timeout'
      : triggerScope !== 'any'
        ? '--trigger-scope'
        : allowUretprobe
          ? '--allow-uretprobe'
          : null;
  if (option !== null)
    throw conflict(`${option}: there is no trigger`, 'add --start-trigger or --stop-trigger');
}

function refuseRecorderConflicts(options: Options, given: GivenOptions): void {
  if (options.who) return;
  const option =
    options.criticalPath !== null
      ? '--critical-path'
      : options.before > 0
        ? '--before'
        : options.timeline !== null
          ? '--timeline'
          : options.format === 'perfetto'
            ? '--format perfetto'
            : given.recorderBytes !== undefined
              ? '--recorder-bytes'
              : null;
  if (option !== null)
    throw conflict(`${option}: with --no-who nothing is recorded`, 'leave out one of the two');
}

function refuseEventConflicts(options: Options, given: GivenOptions): void {
  const { syscallEvents, skipSyscallPollEvents, syscall, offCpu, format } = options;
  const { debuginfod, stackTraceSize, userStackBy, userStackBytes } = options;
  if (format === 'folded' && offCpu === null) {
    throw conflict('--format folded: no stacks are recorded', 'add --off-cpu');
  }
  if (userStackBy === 'fp' && given.userStackBytes !== undefined) {
    throw conflict('--user-stack-bytes: for frame pointers nothing is copied', 'leave out one of the two');
  }
  const hasStacks = offCpu !== null || (syscallEvents !== null && stackTraceSize > 0);
  if (debuginfod && !(hasStacks && (userStackBy === 'fp' || userStackBytes > 0))) {
    throw conflict('--debuginfod: no user stacks are recorded', 'add --off-cpu or -s NS');
  }
  if (syscallEvents !== null) return;
  const option = skipSyscallPollEvents
    ? '--skip-syscall-poll-events'
    : syscall.length > 0
      ? '--syscall'
      : null;
  if (option !== null) throw conflict(`${option}: no system calls are recorded`, 'add -s, or -s NS');
}

function conflict(message: string, hint: string): KdelayError {
  return new KdelayError('INVALID_ARGUMENT', message, hint);
}
