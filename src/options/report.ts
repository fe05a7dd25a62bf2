/** Reports of samples that were taken with a session, not by the command line. */
import type { CapturedReport, CapturedSample } from '../report/events.js';
import { buildHeader } from '../report/header.js';
import type { Options, Target } from '../report/types.js';
import { effectiveOptions } from './effective.js';

/** A whole report of samples taken with a CaptureSession, as the formats take it. `options` are those that were used. */
export function buildReport(
  targets: readonly Target[],
  samples: readonly CapturedSample[],
  options: Partial<Options> = {},
): CapturedReport {
  const defaults = effectiveOptions(
    { pid: targets.map(({ pid }) => pid), sampleCount: Math.max(1, samples.length) },
    null,
  );
  return {
    ...buildHeader(targets, { ...defaults, ...options }),
    targets: [...targets],
    samples: [...samples],
  };
}
