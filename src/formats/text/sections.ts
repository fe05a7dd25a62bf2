/** The sections of one thread in the text report, each with its table. */
import type { Thread } from '../../report/types.js';
import { barLines, budgetColumns, threadBudgetRows } from './budget.js';
import { chainColumns, chainRows } from './chains.js';
import { histogramLines, syscallHistogramLines } from './histograms.js';
import {
  hardIrqColumns,
  hardIrqRows,
  localIrqColumns,
  localIrqRows,
  softIrqColumns,
  softIrqRows,
} from './interrupts.js';
import { cpuLines, ranInsteadColumns, ranInsteadRows, wakerColumns, wakerRows } from './others.js';
import {
  faultColumns,
  faultRows,
  longPollColumns,
  longPollRows,
  readyColumns,
  readyRows,
  runColumns,
  runRows,
  stoppedColumns,
  stoppedRows,
} from './scheduling.js';
import { syscallColumns, syscallRows } from './syscalls.js';
import { type Cell, type Column, tableLines } from './table.js';

export interface Section {
  title: string;
  /** Column titles, then rows. */
  lines: string[];
}

/** Syscall, run and ready always, the others when there is something to show. */
export function threadSections(thread: Thread, { histograms }: { histograms: boolean }): Section[] {
  const bars = (lines: () => string[]): string[] => (histograms ? lines() : []);
  const { syscalls, run, ready, longPoll } = thread;
  return [
    section(
      'SYSCALL STATISTICS',
      syscallColumns,
      syscallRows(syscalls),
      bars(() => syscallHistogramLines(syscalls)),
    ),
    section(
      'THREAD RUN STATISTICS',
      runColumns,
      runRows(run),
      bars(() => histogramLines(run.histogram)),
    ),
    section(
      'THREAD READY STATISTICS',
      readyColumns,
      readyRows(ready),
      bars(() => histogramLines(ready.histogram)),
    ),
    section('HARD IRQ STATISTICS', hardIrqColumns, hardIrqRows(thread.hardIrqs)),
    section('SOFT IRQ STATISTICS', softIrqColumns, softIrqRows(thread.softIrqs)),
    section('THREAD STOPPED STATISTICS', stoppedColumns, stoppedRows(thread.stopped)),
    section('LOCAL IRQ STATISTICS', localIrqColumns, localIrqRows(thread.localIrqs)),
    section(
      'LONG POLL STATISTICS',
      longPollColumns,
      longPollRows(longPoll),
      bars(() => histogramLines(longPoll.histogram)),
    ),
    section('PAGE FAULT STATISTICS', faultColumns, faultRows(thread.faults)),
    section('RAN INSTEAD', ranInsteadColumns, ranInsteadRows(thread), cpuLines(thread)),
    section('WOKEN BY', wakerColumns, wakerRows(thread.wokenBy)),
    section('WAITED FOR', chainColumns, chainRows(thread)),
    section('TIME BUDGET', budgetColumns, threadBudgetRows(thread), barLines(thread.budget)),
  ].filter(({ lines }, index) => index < alwaysShown || lines.length > 1);
}

const alwaysShown = 3;

/** `more` stands below a table that has rows. */
export function section(
  title: string,
  columns: readonly Column[],
  rows: ReadonlyArray<readonly Cell[]>,
  more: readonly string[] = [],
): Section {
  return {
    title: `[${title}]`,
    lines: [...tableLines(columns, rows), ...(rows.length === 0 ? [] : more)],
  };
}
