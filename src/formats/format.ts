import type { CapturedSample } from '../report/events.js';
import type { Header, Options, Target } from '../report/types.js';
import type { Window } from '../report/window.js';

/**
 * Text in pieces, made as they are asked for: a sample with millions of calls is longer than a string can be, and is never in
 * memory as a whole. None takes long: where the next text does, empty ones come before it.
 */
export type Pieces = Iterable<string>;

/** Turns the finished report model into text, piece by piece in the order of the run; computes nothing. */
export interface Formatter {
  /** Before the first window. */
  header(header: Header): Pieces;
  /** After each window; `targets` are the processes known by then. */
  sample(sample: CapturedSample, targets: readonly Target[]): Pieces;
  /** In the place of a sample that was dropped because its window was shorter than the trigger delta, or its call left without a return. */
  skipped(window: Window): Pieces;
  /**
   * After the last window, or when the run ends early. Also asked for after any sample, for what would make a whole of what was written by then
   * if nothing came after it: that changes nothing.
   */
  footer(targets: readonly Target[]): Pieces;
}

export interface Format {
  /** As given to --format. */
  readonly name: string;
  /** A fresh formatter for one run, of which these were the options. */
  create(options: Options): Formatter;
}
