import type { Header, Sample, Target } from '../report/types.js';
import type { Window } from '../report/window.js';

/** Turns the finished report model into text, piece by piece in the order of the run; computes nothing. */
export interface Formatter {
  /** Before the first window. */
  header(header: Header): string;
  /** After each window; `targets` are the processes known by then. */
  sample(sample: Sample, targets: readonly Target[]): string;
  /** In the place of a sample that was dropped because its window was shorter than the trigger delta. */
  skipped(window: Window): string;
  /** After the last window, or when the run ends early. */
  footer(targets: readonly Target[]): string;
}

export interface Format {
  /** As given to --format. */
  readonly name: string;
  /** A fresh formatter for one run. */
  create(): Formatter;
}
