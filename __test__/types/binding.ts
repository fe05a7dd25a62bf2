/**
 * What the native module's declarations promise: each type that they name is there, and numbers follow the rule of
 * `crates/loader/src/sample/mod.rs`. tsc checks it; nothing here is run.
 */
import { expectTypeOf } from 'expect-type';
import type { Binding } from '../../src/native/index.js';

type Sample = Binding.BindingSample;
type Event = ReturnType<Binding.BindingCalls['slice']>[number];
type Thread = ReturnType<Binding.BindingThreads['take']>[number];
type Syscalls = ReturnType<Binding.BindingThreads['syscalls']>;

/** A name that is not defined would be `any`, which takes every field. */
export function everyTypeIsThere(
  sample: Sample,
  event: Event,
  thread: Thread,
  syscalls: Syscalls,
  start: Binding.BindingWindowStart,
): void {
  // @ts-expect-error: there is none.
  sample.threads.noSuchField;
  // @ts-expect-error: there is none.
  thread.noSuchField;
  // @ts-expect-error: there is none.
  thread.ranInstead.noSuchField;
  // @ts-expect-error: there is none.
  thread.chains?.[0]?.below[0]?.noSuchField;
  // @ts-expect-error: there is none.
  syscalls.noSuchField;
  // @ts-expect-error: there is none.
  syscalls.names[0]?.noSuchField;
  // @ts-expect-error: there is none.
  syscalls.refusals[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.targets[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.upcalls?.[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.offCpu[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.stacks[0]?.[0]?.noSuchField;
  // @ts-expect-error: there is none.
  sample.losses.noSuchField;
  // @ts-expect-error: there is none.
  event.noSuchField;
  // @ts-expect-error: there is none.
  event.wait?.noSuchField;
  // @ts-expect-error: there is none.
  start.trigger?.noSuchField;
  expectTypeOf<Awaited<ReturnType<typeof Binding.inspectProcess>>>().toEqualTypeOf<Binding.BindingTarget>();
  expectTypeOf<Awaited<ReturnType<typeof Binding.findProcesses>>>().toEqualTypeOf<Binding.BindingTarget[]>();
}

export function numbersFollowTheRule(
  sample: Sample,
  event: Event,
  thread: Binding.BindingThread,
  syscalls: Syscalls,
): void {
  // Lengths, counts and ids.
  expectTypeOf(event.durationNs).toEqualTypeOf<number>();
  expectTypeOf(thread.budget.wallNs).toEqualTypeOf<number>();
  expectTypeOf(sample.startsInWindow).toEqualTypeOf<number>();
  expectTypeOf(syscalls.totalNs).toEqualTypeOf<Float64Array>();
  expectTypeOf(syscalls.refusals[0]?.errno).toEqualTypeOf<string | null | undefined>();
  // Points in time.
  expectTypeOf(sample.window.start.monotonicNs).toEqualTypeOf<bigint>();
  expectTypeOf(sample.window.stop.wallNs).toEqualTypeOf<bigint>();
  expectTypeOf([event.entryNs, event.exitNs]).toEqualTypeOf<bigint[]>();
  // 64 bits that are no quantity.
  expectTypeOf(event.result).toEqualTypeOf<string>();
  expectTypeOf(event.arguments).toEqualTypeOf<string[] | null>();
  // What may be unknown.
  expectTypeOf(thread.run.minNs).toEqualTypeOf<number | null>();
  expectTypeOf(sample.stealNs).toEqualTypeOf<number | null>();
  expectTypeOf(event.kernelStack).toEqualTypeOf<number | null>();
}
