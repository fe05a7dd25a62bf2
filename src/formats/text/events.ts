/** The section of single system calls: the original's columns, and right of them what it lacks. */
import { escapeText } from '../../escape.js';
import type { SyscallEvents } from '../../report/events.js';
import type { SyscallEvent } from '../../report/types.js';
import { thousands } from '../../units.js';
import type { Pieces } from '../format.js';
import { endLines, frameLine } from './stacks.js';

const indent = '  ';

/** Nothing where no calls were recorded. */
export function* eventPieces(events: SyscallEvents): Pieces {
  if (events.length === 0) return;
  const titles = line(
    'ENTRY (ns)',
    'EXIT (ns)',
    'TID',
    'COMM',
    'DELTA (us)',
    'SYSCALL',
    'RESULT',
    'ARGUMENTS',
  );
  const rule = line(...([19, 19, 10, 16, 10, 16, 20, 9].map((width) => '-'.repeat(width)) as Cells));
  yield `\n\n# SYSCALL EVENTS:\n${titles}\n${rule}\n`;
  for (const event of events) yield `${[eventLine(event), ...stackLines(event)].join('\n')}\n`;
}

type Cells = [string, string, string, string, string, string, string, string];

function eventLine(event: SyscallEvent): string {
  const { entryNs, exitNs, tid, comm, durationNs, name, abi, result, errno } = event;
  return line(
    entryNs,
    exitNs,
    String(tid),
    escapeText(comm),
    thousands(Math.trunc(durationNs / 1000)),
    abi === 'native' ? name : `${name}/${abi}`,
    errno === null ? shownResult(result) : `${result} ${errno}`,
    event.arguments === null ? '-' : event.arguments.join(', '),
  );
}

/** Below its call: where it waited longest, then who made it. */
function stackLines({ wait, kernelStack, userStack, userStackEnd }: SyscallEvent): string[] {
  const lines: string[] = [];
  if (wait !== null) {
    const verb = wait.preempted ? 'was preempted' : 'slept';
    lines.push(`    ${verb} for ${thousands(Math.trunc(wait.offCpuNs / 1000))} us at:`);
    lines.push(...(kernelStack.length === 0 ? ['      [unknown]'] : kernelStack.map(frameLine)));
  }
  if (userStackEnd !== null) {
    lines.push('    called from:', ...userStack.map(frameLine));
    lines.push(...endLines(userStackEnd));
  }
  return lines;
}

/** Addresses are hexadecimal wherever they are read. */
function shownResult(result: string): string {
  const value = BigInt(result);
  return value > 0xffff_ffffn ? `0x${value.toString(16)}` : result;
}

function line(...[entry, exit, tid, comm, delta, call, result, values]: Cells): string {
  const times = `${entry.padStart(19)} ${exit.padStart(19)} ${tid.padStart(10)} ${comm.padEnd(16)} ${delta.padStart(10)}`;
  return `${indent}${times} ${call.padEnd(16)} ${result.padEnd(20)} ${values}`;
}
