/** The report for people, in the sections, order and columns of OVS's kernel_delay script; what it lacks stands right of or after them. */
import { escapeText } from '../escape.js';
import type { CapturedSample } from '../report/events.js';
import { addLosses, lossWarnings, noLosses } from '../report/losses.js';
import { problemWarnings } from '../report/problems.js';
import type { Options, Process, Target, Thread, WindowStart, WindowStop } from '../report/types.js';
import type { Window } from '../report/window.js';
import { localTime, thousands } from '../units.js';
import type { Format } from './format.js';
import { barLines, budgetColumns, processBudgetRows } from './text-budget.js';
import { eventPieces } from './text-events.js';
import { offCpuPieces } from './text-off-cpu.js';
import { section, threadSections } from './text-sections.js';
import { upcallPieces } from './text-upcalls.js';
import { verdictLines } from './text-verdict.js';

/** What was asked for. */
type Shown = Pick<Options, 'histograms'>;

const indent = ' '.repeat(28);

export const text: Format = {
  name: 'text',
  create({ offCpu, histograms }) {
    let losses = noLosses;
    const problems: string[] = [];
    return {
      header: () => [],
      *sample(sample, targets) {
        losses = addLosses(losses, sample.losses);
        problems.push(...sample.stackProblems);
        yield `${sampleLines(sample, targets, { histograms }).join('\n')}\n`;
        yield* upcallPieces(sample.upcalls);
        yield* eventPieces(sample.syscallEvents);
        if (offCpu !== null) yield* offCpuPieces(sample.offCpu, offCpu);
      },
      skipped(window) {
        const { stop, windowNs } = window;
        const skipped = `# Sample dump skipped, delta ${thousands(windowNs)} ns @${localTime(stop.wall)}`;
        return [`${[...edgeLines(window), skipped].join('\n')}\n`];
      },
      footer: () =>
        [...lossWarnings(losses), ...problemWarnings(problems)].map(
          ({ what, advice }) => `\n# WARNING: ${escapeText(what)}.\n# ${advice}\n`,
        ),
    };
  },
};

function sampleLines(sample: CapturedSample, targets: readonly Target[], shown: Shown): string[] {
  const { start, stop, windowNs } = sample;
  const dump =
    start.by === 'trigger' && stop.by === 'trigger'
      ? `Triggered sample dump, stop-start delta ${thousands(windowNs)} ns`
      : 'Sample dump';
  return [
    ...edgeLines(sample),
    `# ${dump} @${localTime(stop.wall)}`,
    ...verdictLines(sample.verdict),
    row('TID'.padEnd(10), 'THREAD', '<RESOURCE SPECIFIC>'),
    row('-'.repeat(10), '-'.repeat(16), '-'.repeat(76)),
    ...byProcess(sample, targets, shown),
  ];
}

function edgeLines({ start, stop }: Window): string[] {
  return [`# Start sampling${edge(start)}`, `# Stop sampling${edge(stop)}`];
}

/** When, and by whom if it was a trigger: the line goes on where the original ends it. */
function edge({ by, monotonicNs, wall, trigger }: WindowStart | WindowStop): string {
  if (trigger === null) return `${by === 'time' ? '' : ` (${by})`} @${localTime(wall)}`;
  const thread = `${trigger.tid} ${escapeText(trigger.comm)}`;
  return ` (trigger@${monotonicNs}) @${localTime(wall)} in ${thread}`;
}

/** A heading per process only where there are several: a lone process looks as it always did. */
function byProcess(
  { threads, processes }: CapturedSample,
  targets: readonly Target[],
  shown: Shown,
): string[] {
  const pids = new Set([...targets.map(({ pid }) => pid), ...processes.map(({ pid }) => pid)]);
  const groups = [...pids].map((pid) => {
    const process = processes.find((candidate) => candidate.pid === pid);
    const own = pids.size === 1 ? threads : threads.filter((thread) => thread.pid === pid);
    const blocks = [...processLines(process, own), ...own.map((thread) => threadLines(thread, shown))];
    const body = blocks.length === 0 ? ['# No threads seen.'] : blankBetween(blocks);
    if (pids.size === 1) return body;
    const name = targets.find((target) => target.pid === pid)?.comm ?? process?.comm ?? '';
    return [`# Process ${pid} ${escapeText(name)}`.trimEnd(), ...body];
  });
  return groups.length === 0 ? ['# No threads seen.'] : blankBetween(groups);
}

/** What its threads did together, where it has several. */
function processLines(process: Process | undefined, threads: readonly Thread[]): string[][] {
  if (process === undefined || threads.length < 2) return [];
  const { pid, comm, budget } = process;
  const { title, lines } = section(
    'PROCESS TIME BUDGET',
    budgetColumns,
    processBudgetRows(process, threads),
    barLines(budget),
  );
  return [[row(String(pid).padStart(10), escapeText(comm ?? ''), title), ...bodyLines(lines, '(process)')]];
}

function threadLines(thread: Thread, shown: Shown): string[] {
  const sections = threadSections(thread, shown).map(({ title, lines }, index) => {
    if (index > 0) return [row('', '', title), ...bodyLines(lines, null)];
    const first = row(String(thread.tid).padStart(10), escapeText(thread.comm), title);
    return [first, ...bodyLines(lines, thread.exited ? '(exited)' : null)];
  });
  return blankBetween(sections);
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

function blankBetween(blocks: ReadonlyArray<readonly string[]>): string[] {
  return blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block]));
}
