/** Reports of samples that were taken with a session, not by the command line. */
import { pollNames } from '../constants.js';
import type { CapturedReport, CapturedSample } from '../report/events.js';
import { buildHeader } from '../report/header.js';
import type { Options, Target } from '../report/types.js';
import type { SyscallEventOptions } from '../session/event-options.js';
import type { SessionOptions } from '../session/session.js';
import { defaultOptions, type GivenOptions } from './effective.js';
import { captureOptions } from './table.js';

/** Whose samples a report holds: a CaptureSession is one. */
export interface ReportSource {
  readonly targets: readonly Target[];
  /** Those that it was opened with. */
  readonly options: SessionOptions;
}

/**
 * A whole report of a session's samples, as the formats take it. Its options are the session's, in the command line's words; what only
 * the command line knows, such as the pause between samples, is as if it was not given. `options` goes before both.
 */
export function buildReport(
  session: ReportSource,
  samples: readonly CapturedSample[],
  options: Partial<Options> = {},
): CapturedReport {
  const { targets } = session;
  const known: Options = {
    ...defaultOptions(),
    command: null,
    ...optionsOf(session.options),
    sampleCount: Math.max(1, samples.length),
    sampleTime: lengthOf(samples),
  };
  return {
    ...buildHeader(targets, { ...known, ...options }),
    targets: [...targets],
    samples: [...samples],
  };
}

/** In seconds, if all windows were closed by the same length; null: something else closed them. */
function lengthOf(samples: readonly CapturedSample[]): number | null {
  const [first] = samples;
  if (first === undefined) return null;
  const isLength = samples.every(({ stop, windowNs }) => stop.by === 'time' && windowNs === first.windowNs);
  return isLength ? first.windowNs / 1e9 : null;
}

function optionsOf(options: SessionOptions): GivenOptions {
  const { pid, pids, offCpu = false, syscallEvents, debuginfod } = options;
  const { threadCapacity = null, startTrigger = null, stopTrigger = null } = options;
  return {
    pid: [...new Set(pids ?? (pid === undefined ? [] : [pid]))],
    follow: options.follow ?? false,
    threadCapacity,
    startTrigger,
    stopTrigger,
    triggerScope: options.triggerScope ?? 'any',
    allowUretprobe: options.allowUretprobe ?? false,
    debug: options.debugLevel ?? 0,
    who: options.who ?? true,
    before: options.before ?? 0,
    criticalPath: options.criticalPath ?? null,
    timeline: typeof options.timeline === 'string' ? options.timeline : null,
    ...(options.recorderBytes === undefined ? {} : { recorderBytes: options.recorderBytes }),
    verdict: options.verdict ?? true,
    skipUpcallStats: options.skipUpcallStats ?? false,
    debuginfod: debuginfod !== undefined,
    offCpu: offCpu ? usualStacks : null,
    ...(options.userStackBy === undefined ? {} : { userStackBy: options.userStackBy }),
    ...(options.userStackBytes === undefined ? {} : { userStackBytes: options.userStackBytes }),
    ...(syscallEvents === undefined ? {} : eventOptionsOf(syscallEvents)),
  };
}

/** Of each thread, as with --off-cpu alone. */
const usualStacks = Number(captureOptions.offCpu.bare);

function eventOptionsOf(events: SyscallEventOptions): GivenOptions {
  const except = new Set(events.except ?? []);
  return {
    syscallEvents: events.longerThanNs ?? 0,
    syscall: [...(events.only ?? [])],
    skipSyscallPollEvents: pollNames.every((name) => except.has(name)),
    ...(events.limit === undefined ? {} : { eventLimit: events.limit }),
    ...(events.bufferPages === undefined ? {} : { bufferPageCount: events.bufferPages }),
    ...(events.stacks === true ? {} : { stackTraceSize: 0 }),
  };
}
