import type { denials, nativeErrorCodes } from './constants.js';

/**
 * What each exit code of the command line means (sysexits.h; 128 and a signal's number). The only such table: help, the manual and
 * docs/options.md are made from it.
 */
export const exitStatuses = {
  0: 'done',
  64: 'usage',
  66: 'no such process, command or probe',
  69: 'the kernel or this platform lacks something',
  70: 'internal',
  74: 'input or output',
  75: 'a trigger did not fire in time',
  77: 'not permitted',
  130: 'Ctrl-C before there was a sample, or twice',
  143: 'SIGTERM before there was a sample, or twice',
} as const;

export type ExitStatus = keyof typeof exitStatuses;

/** Codes of errors that only this side makes. */
type OwnErrorCode = 'AMBIGUOUS_TARGET' | 'NATIVE_MODULE_MISSING' | 'TRIGGER_TIMEOUT';

/** Every error code with the exit code the CLI maps it to. The only such table. */
export const exitCodes = {
  /** A bad option, or options that do not go together. */
  INVALID_ARGUMENT: 64,
  /** A name matches several processes and --all was not given. */
  AMBIGUOUS_TARGET: 64,
  /** No process has this pid or name. */
  NO_SUCH_PROCESS: 66,
  /** The process is a zombie, or ended before the probes were attached. */
  PROCESS_ENDED: 66,
  /** Kernel threads make no system calls and cannot be captured. */
  KERNEL_THREAD: 66,
  /** The command to start does not exist or is not executable. */
  NO_SUCH_COMMAND: 66,
  /** A trigger names nothing that there is, or nothing that can be probed. */
  NO_SUCH_PROBE: 66,
  /** This kernel lacks something that capturing needs. */
  KERNEL_UNSUPPORTED: 69,
  /** No native module for this platform could be loaded. */
  NATIVE_MODULE_MISSING: 69,
  /** A defect in kdelay. */
  INTERNAL: 70,
  /** A session method called out of order, or after close(). */
  WRONG_STATE: 70,
  /** A file or stream could not be opened or written. */
  IO: 74,
  /** A trigger did not fire in the time it was given. */
  TRIGGER_TIMEOUT: 75,
  /** Not root, a missing capability, or a locked-down kernel. */
  NOT_PERMITTED: 77,
} as const satisfies Record<(typeof nativeErrorCodes)[number] | OwnErrorCode, ExitStatus>;

export type KdelayErrorCode = keyof typeof exitCodes;

export function isErrorCode(value: unknown): value is KdelayErrorCode {
  return typeof value === 'string' && Object.hasOwn(exitCodes, value);
}

/** What an error came of, as fields: the text that people read is `message` and `hint` of the error. */
export interface KdelayErrorCause {
  /** The error below, in its own words. */
  readonly source: string;
  /** The error of the system call that failed, such as EPERM, 1; without a name where it has none; null: none failed. */
  readonly errno: { readonly name: string | null; readonly number: number } | null;
  /** The probe, by its tracepoint, or the trigger that was refused; null: it was no probe. */
  readonly probe: string | null;
  /**
   * Of NOT_PERMITTED, what forbids it: `capabilities`, since root has some that are lacking; `user namespace`, where they do not
   * count; `policy`, of seccomp or a security module, which binds also root; `lockdown` of the kernel; `file mode`. Else null.
   */
  readonly deniedBy: (typeof denials)[number] | null;
}

/**
 * The error every public function of kdelay throws. `message` is one line, "what: why"; `hint` says what to do and may
 * hold several lines, or is null. Both may quote text of the traced process: escape them before printing.
 */
export class KdelayError extends Error {
  override readonly name = 'KdelayError';
  readonly code: KdelayErrorCode;
  readonly hint: string | null;
  /** Fields, where the native module failed; else the error that was caught, if there was one. */
  declare readonly cause?: KdelayErrorCause | Error;

  constructor(
    code: KdelayErrorCode,
    message: string,
    hint: string | null = null,
    cause?: KdelayErrorCause | Error,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }

  /** What the CLI exits with on this error. */
  get exitCode(): ExitStatus {
    return exitCodes[this.code];
  }
}
