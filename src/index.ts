/** kdelay as a library. Capturing needs root; the types and formats do not. */
export { KdelayError, type KdelayErrorCode } from './errors.js';
export { type Format, type Formatter, formatNames, formatReport, formats } from './formats/index.js';
export type { CapturedReport, CapturedSample, SyscallEvents } from './report/events.js';
export { buildReport } from './report/report.js';
export type * from './report/types.js';
export {
  CaptureSession,
  type SessionOptions,
  type StopReason,
  type SyscallEventOptions,
} from './session/session.js';
export { version } from './version.js';
