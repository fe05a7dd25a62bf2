/** The figures as Markdown, between two marks of README.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import type { Body } from './load.js';
import type { Overhead } from './overhead.js';
import type { Rate } from './rate.js';
import type { StartUp } from './start-up.js';
import type { Spread } from './statistics.js';
import { tracers } from './tracers.js';

const titles: Record<Body, string> = {
  getppid: 'getppid, by one thread',
  read0: 'read of one byte of /dev/zero, by one thread',
  futexpp: 'one hand-over of a futex ping-pong of two threads on one CPU (a context switch, two futex calls)',
};

export function markdown(
  overheads: readonly Overhead[],
  rate: Rate,
  startUps: readonly StartUp[],
  rounds: number,
): string {
  const lines = [
    `${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${rounds} rounds. Median (quartiles).`,
  ];
  for (const { body, bareNs, costs } of overheads) {
    lines.push('', `**${titles[body]}**: ${shown(bareNs, 0)} ns without a tracer`, '');
    lines.push('| tracer | added ns | ratio | bystander: added ns | lost % |', '|---|---|---|---|---|');
    for (const { tracer, addedNs, ratio, bystanderAddedNs, lost } of costs) {
      const lostShown = lost === null ? '' : shown(lost, 1);
      lines.push(
        `| ${tracer} | ${shown(addedNs, 0)} | ${shown(ratio, 2)} | ${shown(bystanderAddedNs, 0)} | ${lostShown} |`,
      );
    }
    lines.push('', ...relations(costs));
  }
  lines.push(
    '',
    `**each call of two processes recorded, without stacks**: ${shown(rate.millionsPerSecond, 2)} million calls a second, ${shown(rate.droppedPercent, 2)} % dropped at the default buffer; reading them takes ${shown(rate.readerPercent, 1)} % of a CPU.`,
    '',
    '**start-up**',
    '',
    '| tracer | attached ms | of that, opening ms | peak memory MiB |',
    '|---|---|---|---|',
  );
  for (const { tracer, attachedMs, openMs, peakMemoryMiB } of startUps) {
    lines.push(
      `| ${tracer} | ${shown(attachedMs, 0)} | ${openMs === null ? '' : shown(openMs, 0)} | ${shown(peakMemoryMiB, 0)} |`,
    );
  }
  lines.push('', ...tracers.map(({ name, what }) => `- ${name}: ${what}`));
  return lines.join('\n');
}

/** What kdelay adds, as a multiple of what others add. */
function relations(costs: Overhead['costs']): string[] {
  const of = (name: string) => costs.find(({ tracer }) => tracer === name);
  const kdelay = of('kdelay');
  if (kdelay === undefined) return [];
  const parts = ['floor', 'original'].flatMap((name) => {
    const other = of(name);
    return other === undefined
      ? []
      : [`${(kdelay.addedNs.median / other.addedNs.median).toFixed(2)} × ${name}`];
  });
  const empty = of('empty');
  if (empty !== undefined) {
    const ratio = kdelay.bystanderAddedNs.median / empty.bystanderAddedNs.median;
    parts.push(`for the bystander ${ratio.toFixed(2)} × empty`);
  }
  return parts.length === 0 ? [] : [`kdelay adds ${parts.join(', ')}.`];
}

function shown({ low, median, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

const marks = ['<!-- figures -->', '<!-- end of figures -->'] as const;

export function writeInto(path: URL, figures: string): void {
  const text = readFileSync(path, 'utf8');
  const [before, rest] = text.split(marks[0]);
  const after = rest?.split(marks[1])[1];
  if (before === undefined || after === undefined) throw new Error(`${path.pathname} lacks its marks`);
  writeFileSync(path, `${before}${marks[0]}\n${figures}\n${marks[1]}${after}`);
}
