/** The report for people, in the sections, order and columns of OVS's kernel_delay script; what it lacks stands right of or after them. */
import { escapeText } from '../../escape.js';
import type { CapturedSample } from '../../report/events.js';
import { addLosses, lossWarnings, noLosses } from '../../report/losses.js';
import { problemWarnings } from '../../report/problems.js';
import type { WindowStart, WindowStop } from '../../report/types.js';
import type { Window } from '../../report/window.js';
import { localTime, thousands } from '../../units.js';
import type { Format } from '../format.js';
import { criticalPathPieces } from './critical-path.js';
import { eventPieces } from './events.js';
import { offCpuPieces } from './off-cpu.js';
import { threadPieces } from './threads.js';
import { upcallPieces } from './upcalls.js';
import { verdictLines } from './verdict.js';

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
        yield `${headLines(sample).join('\n')}\n`;
        yield* threadPieces(sample, targets, { histograms });
        yield* criticalPathPieces(sample.criticalPath);
        yield* upcallPieces(sample.upcalls);
        yield* eventPieces(sample.syscallEvents);
        if (offCpu !== null) yield* offCpuPieces(sample.offCpu, offCpu);
      },
      skipped(window) {
        const { stop, windowNs } = window;
        const why =
          stop.by === 'left' ? 'the call was left without a return' : `delta ${thousands(windowNs)} ns`;
        const skipped = `# Sample dump skipped, ${why} @${localTime(stop.wall)}`;
        return [`${[...edgeLines(window), skipped].join('\n')}\n`];
      },
      footer: () =>
        [...lossWarnings(losses), ...problemWarnings(problems)].map(
          ({ what, advice }) => `\n# WARNING: ${escapeText(what)}.\n# ${advice}\n`,
        ),
    };
  },
};

function headLines(sample: CapturedSample): string[] {
  const { start, stop, windowNs, verdict } = sample;
  const dump =
    start.by === 'trigger' && stop.by === 'trigger'
      ? `Triggered sample dump, stop-start delta ${thousands(windowNs)} ns`
      : 'Sample dump';
  return [...edgeLines(sample), `# ${dump} @${localTime(stop.wall)}`, ...verdictLines(verdict)];
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
