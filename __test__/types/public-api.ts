/**
 * What the public API's types promise. tsc checks it: against the sources with everything else, and against the declarations that
 * are published in `consumer.spec.ts`. Nothing here is run.
 */
import { expectTypeOf } from 'expect-type';
import {
  buildReport,
  type CapturedSample,
  CaptureSession,
  formatReport,
  KdelayError,
  type KdelayErrorCause,
  type KdelayErrorCode,
  type Report,
  type Sample,
  type SessionOptions,
  type StopReason,
  type SyscallEvent,
  type SyscallEvents,
  type Thread,
} from 'kdelay';

/** No part of a sample is `any`: a misspelled field is an error. */
export async function samplesAreTyped(session: CaptureSession): Promise<void> {
  const sample = await session.sample(0.5);
  expectTypeOf(sample).toEqualTypeOf<CapturedSample>();
  expectTypeOf(sample).not.toBeAny();
  const [thread] = sample.threads;
  expectTypeOf(thread).toEqualTypeOf<Thread | undefined>();
  if (thread === undefined) return;
  // @ts-expect-error: there is none.
  thread.noSuchField.atAll;
  // @ts-expect-error: there is none.
  sample.losses.noSuchField;
  // @ts-expect-error: there is none.
  sample.offCpu[0]?.kernelStack[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.upcalls?.[0]?.noSuchField;
  // @ts-expect-error: there is none.
  session.targets[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.syscallEvents.at(0)?.wait?.noSuchField;
}

/** Lengths are numbers, points in time decimal strings, and what may be unknown is null: never undefined, never a bigint. */
export function numbersFollowTheRule(sample: CapturedSample, thread: Thread, event: SyscallEvent): void {
  expectTypeOf(sample.windowNs).toEqualTypeOf<number>();
  expectTypeOf(sample.start.monotonicNs).toEqualTypeOf<string>();
  expectTypeOf(sample.start.wall).toEqualTypeOf<string>();
  expectTypeOf(sample.stealNs).toEqualTypeOf<number | null>();
  expectTypeOf(sample.losses.recursionMisses).toEqualTypeOf<number | null>();
  expectTypeOf(thread.budget.unknownNs).toEqualTypeOf<number>();
  expectTypeOf(thread.run.minNs).toEqualTypeOf<number | null>();
  expectTypeOf(thread.faults.major).toEqualTypeOf<number | null>();
  expectTypeOf(event.entryNs).toEqualTypeOf<string>();
  expectTypeOf(event.durationNs).toEqualTypeOf<number>();
  expectTypeOf(event.result).toEqualTypeOf<string>();
  expectTypeOf(event.errno).toEqualTypeOf<string | null>();
  expectTypeOf(event.arguments).not.toBeAny();
}

/** The closed choices are unions, and the two ways to name processes may be left to checks at run time. */
export function optionsAreClosed(): void {
  expectTypeOf<SessionOptions>().not.toBeAny();
  expectTypeOf<NonNullable<SessionOptions['userStackBy']>>().toEqualTypeOf<'dwarf' | 'fp'>();
  expectTypeOf<NonNullable<SessionOptions['triggerScope']>>().toEqualTypeOf<'any' | 'target'>();
  expectTypeOf<StopReason>().toEqualTypeOf<'time' | 'trigger' | 'interrupt' | 'exit' | 'timeout' | 'left'>();
  void CaptureSession.open({ pid: 1, syscallEvents: { longerThanNs: 1000, stacks: true } });
  // @ts-expect-error: no such option.
  void CaptureSession.open({ pid: 1, noSuchOption: true });
  // @ts-expect-error: pids are numbers.
  void CaptureSession.open({ pid: '1' });
  // @ts-expect-error: nor are lengths of time bigints.
  void CaptureSession.open({ pid: 1, syscallEvents: { longerThanNs: 1000n } });
  // @ts-expect-error: a session is opened, not made.
  new CaptureSession();
}

/** What a session gives fits what reports and formats take, and what was read from JSON does, too. */
export function reportsFit(session: CaptureSession, sample: CapturedSample, read: Report): void {
  expectTypeOf(formatReport(buildReport(session, [sample]), 'json')).toEqualTypeOf<string>();
  formatReport(read, 'text');
  expectTypeOf<Sample['syscallEvents']>().toExtend<SyscallEvents>();
  expectTypeOf(session[Symbol.asyncDispose]).returns.resolves.toEqualTypeOf<void>();
}

/** What an error came of is looked at without a guess: either fields or an error. */
export function errorsHaveCauses(error: KdelayError): void {
  expectTypeOf(error.code).toEqualTypeOf<KdelayErrorCode>();
  expectTypeOf(error.hint).toEqualTypeOf<string | null>();
  expectTypeOf(error.cause).toEqualTypeOf<KdelayErrorCause | Error | undefined>();
  if (error.cause === undefined || error.cause instanceof Error) return;
  expectTypeOf(error.cause).toEqualTypeOf<KdelayErrorCause>();
  expectTypeOf(error.cause.source).toEqualTypeOf<string>();
  expectTypeOf(error.cause.errno).toEqualTypeOf<{
    readonly name: string | null;
    readonly number: number;
  } | null>();
  expectTypeOf(error.cause.probe).toEqualTypeOf<string | null>();
  expectTypeOf(error.cause.deniedBy).toEqualTypeOf<
    'capabilities' | 'user namespace' | 'policy' | 'lockdown' | 'file mode' | null
  >();
  // @ts-expect-error: no such code.
  new KdelayError('NO_SUCH_CODE', 'what: why');
}
