/** The report for people, in the sections, order and columns of OVS's kernel_delay script; what it lacks stands right of or after them. */
import { escapeText } from '../escape.js';
import type { CapturedSample } from '../report/events.js';
import { addLosses, lossWarnings, noLosses } from '../report/losses.js';
import { problemWarnings } from '../report/problems.js';
import type { Target, Thread, WindowStart, WindowStop } from '../report/types.js';
import type { Window } from '../report/window.js';
import { localTime, thousands } from '../units.js';
import type { Format } from './format.js';
import { eventPieces } from './text-events.js';
import { offCpuPieces } from './text-off-cpu.js';
import { type Section, threadSections } from './text-sections.js';

const indent = ' '.repeat(28);

export const text: Format = {
  name: 'text',
  create({ offCpu }) {
    let losses = noLosses;
    const problems: string[] = [];
    return {
      header: () => [],
      *sample(sample, targets) {
        losses = addLosses(losses, sample.losses);
        problems.push(...sample.stackProblems);
        yield `${sampleLines(sample, targets).join('\n')}\n`;
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

function sampleLines(sample: CapturedSample, targets: readonly Target[]): string[] {
  const { start, stop, windowNs } = sample;
  const dump =
    start.by === 'trigger' && stop.by === 'trigger'
      ? `Triggered sample dump, stop-start delta ${thousands(windowNs)} ns`
      : 'Sample dump';
  return [
    ...edgeLines(sample),
    `# ${dump} @${localTime(stop.wall)}`,
    row('TID'.padEnd(10), 'THREAD', '<RESOURCE SPECIFIC>'),
    row('-'.repeat(10), '-'.repeat(16), '-'.repeat(76)),
    ...byProcess(sample.threads, targets),
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
function byProcess(threads: readonly Thread[], targets: readonly Target[]): string[] {
  const pids = new Set([...targets.map(({ pid }) => pid), ...threads.map(({ pid }) => pid)]);
  if (pids.size <= 1)
    return threads.length === 0 ? ['# No threads seen.'] : blankBetween(threads.map(threadLines));
  const groups = [...pids].map((pid) => {
    const own = threads.filter((thread) => thread.pid === pid);
    const name =
      targets.find((target) => target.pid === pid)?.comm ?? own.find(({ tid }) => tid === pid)?.comm;
    const heading = `# Process ${pid} ${escapeText(name ?? '')}`.trimEnd();
    return [heading, ...(own.length === 0 ? ['# No threads seen.'] : blankBetween(own.map(threadLines)))];
  });
  return blankBetween(groups);
}

function threadLines(thread: Thread): string[] {
  const sections = threadSections(thread).map((section, index) => {
    const title =
      index === 0
        ? row(String(thread.tid).padStart(10), escapeText(thread.comm), section.title)
        : row('', '', section.title);
    return [title, ...bodyLines(section, index === 0 && thread.exited)];
  });
  return blankBetween(sections);
}

/** The lines under a title. An exited thread says so below its name, where there is room. */
function bodyLines(section: Section, exited: boolean): string[] {
  return section.lines.map((line, index) =>
    exited && index === 0 ? row('', '(exited)', line) : `${indent}${line}`,
  );
}

function row(tid: string, thread: string, rest: string): string {
  return `${tid.padEnd(10)} ${thread.padEnd(16)} ${rest}`;
}

function blankBetween(blocks: ReadonlyArray<readonly string[]>): string[] {
  return blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block]));
}
