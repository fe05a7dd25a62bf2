/** kdelay as a library. Capturing needs root; the types and formats do not. */
export type { DebuginfodOptions } from './debuginfod/debug-files.js';
export { type DebugServers, debugServers } from './debuginfod/settings.js';
export { KdelayError, type KdelayErrorCause, type KdelayErrorCode } from './errors.js';
export { type Format, type Formatter, formatNames, formatReport, formats } from './formats/index.js';
export { buildReport, type ReportSource } from './options/report.js';
export { version } from './package.js';
export type { CapturedReport, CapturedSample, SyscallEvents } from './report/events.js';
export type * from './report/types.js';
export type { SyscallEventOptions, UserStackMethod, UserStackOptions } from './session/event-options.js';
export { CaptureSession, type SessionOptions, type StopReason } from './session/session.js';
