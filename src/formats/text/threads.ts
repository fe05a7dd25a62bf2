/** The tables of a sample's threads, process by process. */
import { escapeText } from '../../escape.js';
import type { CapturedSample } from '../../report/events.js';
import { type BlockedPart, BlockedSum } from '../../report/syscalls.js';
import type { Options, Process, Target, Thread } from '../../report/types.js';
import type { Pieces } from '../format.js';
import { barLines, budgetColumns, processBudgetRows } from './budget.js';
import { section, threadSections } from './sections.js';

/** What was asked for. */
export type Shown = Pick<Options, 'histograms'>;

const indent = ' '.repeat(28);
const nothingSeen = '# No threads seen.\n';

/** The head of the table, then a piece for each thread: all of them may be longer than a string can be. */
export function* threadPieces(sample: CapturedSample, targets: readonly Target[], shown: Shown): Pieces {
  yield lines([
    row('TID'.padEnd(10), 'THREAD', '<RESOURCE SPECIFIC>'),
    row('-'.repeat(10), '-'.repeat(16), '-'.repeat(76)),
  ]);
  const processes = new Map(sample.processes.map((process) => [process.pid, process]));
  const byPid = new Map<number, Thread[]>(targets.map(({ pid }) => [pid, []]));
  for (const thread of sample.threads) {
    const own = byPid.get(thread.pid);
    if (own === undefined) byPid.set(thread.pid, [thread]);
    else own.push(thread);
  }
  if (byPid.size === 0) yield nothingSeen;
  let isFirst = true;
  for (const [pid, threads] of byPid) {
    const process = processes.get(pid);
    // A heading only where there are several: a lone process looks as it always did.
    if (byPid.size > 1) {
      const name = targets.find((target) => target.pid === pid)?.comm ?? process?.comm ?? '';
      yield `${isFirst ? '' : '\n'}${`# Process ${pid} ${escapeText(name)}`.trimEnd()}\n`;
    }
    isFirst = false;
    if (threads.length === 0) yield nothingSeen;
    if (process !== undefined && threads.length > 1) {
      const blocked = new BlockedSum();
      for (const thread of threads) {
        blocked.add(thread);
        yield '';
      }
      yield `${lines(processLines(process, threads, blocked.parts()))}\n`;
    }
    for (const [index, thread] of threads.entries())
      yield `${index === 0 ? '' : '\n'}${lines(threadLines(thread, shown))}`;
  }
}

/** What its threads did together. */
function processLines(
  { pid, comm, budget }: Process,
  threads: readonly Thread[],
  blocked: readonly BlockedPart[],
): string[] {
  const rows = processBudgetRows(threads, blocked);
  const table = section('PROCESS TIME BUDGET', budgetColumns, rows, barLines(budget));
  const first = row(String(pid).padStart(10), escapeText(comm ?? ''), table.title);
  return [first, ...bodyLines(table.lines, '(process)')];
}

function threadLines(thread: Thread, shown: Shown): string[] {
  return threadSections(thread, shown).flatMap(({ title, lines }, index) => {
    if (index > 0) return ['', row('', '', title), ...bodyLines(lines, null)];
    const first = row(String(thread.tid).padStart(10), escapeText(thread.comm), title);
    return [first, ...bodyLines(lines, thread.exited ? '(exited)' : null)];
  });
}

/** The lines under a title. What is to be said of whom they are about stands below the name, where there is room. */
function bodyLines(lines: readonly string[], remark: string | null): string[] {
  return lines.map((line, index) =>
    remark !== null && index === 0 ? row('', remark, line) : `${indent}${line}`,
  );
}

function row(tid: string, thread: string, rest: string): string {
  return `${tid.padEnd(10)} ${thread.padEnd(16)} ${rest}`;
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
