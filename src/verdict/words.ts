/** Parts of the verdict's sentences. Names in them are escaped: they go to terminals. */
import { escapeText } from '../escape.js';
import { type BlockedPart, callName } from '../report/syscalls.js';
import type { Budget, Syscall } from '../report/types.js';
import { wholePercent } from '../units.js';
import { type CallKind, kindOf } from './call-kinds.js';

/** A name is others' to choose, and might read like a sentence or a command: no line is broken inside of it. */
export function nameOf(text: string): string {
  return escapeText(text).replaceAll(' ', '\u00a0');
}

export function who({ comm, tid }: { comm: string; tid: number }): string {
  return `${nameOf(comm)} (tid ${tid})`;
}

export function called(call: Pick<Syscall, 'name' | 'abi'>): string {
  return nameOf(callName(call));
}

/** Only a plain word is put into a command that somebody may copy into a shell. */
export function isPlainWord(text: string): boolean {
  return /^[a-z0-9_]+$/i.test(text);
}

export function more(count: number, one: string, several: string): string {
  return `${count} more ${count === 1 ? one : several}`;
}

export function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** Where a thread is on a CPU in no call, as far as that is known. */
export function placeOutsideCalls({ kernelOutsideCallsNs }: Budget): string {
  return kernelOutsideCallsNs === null ? 'on a CPU outside of calls' : 'in user code';
}

/** What a percent rounds to is left out where it is 0. */
const leastShare = 0.005;

/** Where the time went: `45 % in user code, 22 % blocked (20 % futex, a lock or idle)`. */
export function activities(budget: Budget, blocked: readonly BlockedPart[]): string {
  const { wallNs } = budget;
  const parts: ReadonlyArray<readonly [number, string]> = [
    [budget.userNs, placeOutsideCalls(budget)],
    [budget.kernelNs, 'in the kernel'],
    [budget.kernelOutsideCallsNs ?? 0, 'in the kernel outside of calls'],
    [budget.readyWokenNs + budget.readyPreemptedNs, 'waiting for a CPU'],
    [budget.blockedNs, `blocked${blockedIn(blocked, wallNs)}`],
    [budget.stoppedNs, 'stopped'],
    [budget.frozenNs, 'frozen'],
    [budget.hardIrqNs + budget.softIrqNs, 'interrupted'],
    [budget.unknownNs, 'unknown'],
  ];
  return parts
    .filter(([ns]) => ns > 0 && ns >= leastShare * wallNs)
    .map(([ns, what]) => `${wholePercent(ns, wallNs)} ${what}`)
    .join(', ');
}

/** Nobody reads more of them. */
const mostCalls = 2;

function blockedIn(parts: readonly BlockedPart[], wallNs: number): string {
  const shown = parts.filter(({ blockedNs }) => Number(blockedNs) >= leastShare * wallNs).slice(0, mostCalls);
  if (shown.length === 0) return '';
  const named = shown.map(
    ({ call, blockedNs }) => `${wholePercent(Number(blockedNs), wallNs)} ${blockedCall(call)}`,
  );
  return ` (${named.join('; ')})`;
}

function blockedCall(call: string | null): string {
  if (call === null) return 'outside of calls';
  const [name = call] = call.split('/');
  return `${nameOf(call)}${remarks[kindOf({ name })] ?? ''}`;
}

const remarks: Partial<Record<CallKind, string>> = { idle: ', idle', lock: ', a lock or idle' };
