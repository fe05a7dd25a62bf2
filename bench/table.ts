/** The figures as Markdown. */
import { cpus, release } from 'node:os';
import type { Overhead, Relation } from './overhead.js';
import type { OwnCpu } from './own-cpu.js';
import type { Rate } from './rate.js';
import type { ServerOverhead } from './server.js';
import type { StartUp } from './start-up.js';
import type { Spread } from './statistics.js';
import type { Tracer } from './tracer.js';
import type { LeftOut } from './usable.js';

export interface Figures {
  rounds: number;
  overheads: readonly Overhead[];
  servers: readonly ServerOverhead[];
  /** Null: not asked for. */
  rate: Rate | null;
  /** Likewise. */
  ownCpu: OwnCpu | null;
  startUps: readonly StartUp[];
  tracers: readonly Tracer[];
  leftOut: readonly LeftOut[];
}

export function markdown(figures: Figures): string {
  const { rounds, overheads, servers, rate, ownCpu, startUps, tracers, leftOut } = figures;
  const machine = `Linux ${release()}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`;
  return [
    `${new Date().toISOString().slice(0, 10)}, ${machine}, ${rounds} rounds. Median (quartiles).`,
    ...overheads.flatMap(overheadSection),
    ...servers.flatMap(serverSection),
    ...(rate === null ? [] : ['', rateLine(rate)]),
    ...(ownCpu === null ? [] : ownCpuSection(ownCpu)),
    ...(startUps.length === 0 ? [] : startUpSection(startUps)),
    '',
    ...tracers.map(({ name, what }) => `- ${name}: ${what}`),
    ...leftOut.map(({ tracer, why }) => `- ${tracer}: left out, it does not work here: ${why}`),
  ].join('\n');
}

function overheadSection({ body, bareNs, costs, relations }: Overhead): string[] {
  const rows = costs.map(({ tracer, addedNs, ratio, bystanderAddedNs, bystanderRatio, lost }) =>
    row(
      tracer,
      shown(addedNs, 0),
      shown(ratio, 2),
      shown(bystanderAddedNs, 0),
      shown(bystanderRatio, 2),
      shown(lost, 1),
    ),
  );
  return [
    '',
    `**${body.title}**: ${shown(bareNs, 0)} ns without a tracer`,
    '',
    ...header('tracer', 'added ns', 'ratio', 'bystander: added ns', 'ratio', 'calls lost %'),
    ...rows,
    ...relationLine(relations),
  ];
}

function serverSection({ kind, barePerSecond, costs }: ServerOverhead): string[] {
  const rows = costs.map(({ tracer, perSecond, lostWork, addedCpu, bystanderLostWork, lost }) =>
    row(
      tracer,
      shown(perSecond, 0),
      shown(lostWork, 1),
      shown(addedCpu, 1),
      shown(bystanderLostWork, 1),
      shown(lost, 1),
    ),
  );
  return [
    '',
    `**${kind.title}**: ${shown(barePerSecond, 0)} a second without a tracer`,
    '',
    ...header(
      'tracer',
      'a second',
      'throughput lost %',
      'CPU time for it added %',
      'attached to another process: throughput lost %',
      'calls lost %',
    ),
    ...rows,
  ];
}

function rateLine({ millionsPerSecond, droppedPercent, readerPercent }: Rate): string {
  return `**each call of two processes recorded, without stacks**: ${shown(millionsPerSecond, 2)} million calls a second, ${shown(droppedPercent, 2)} % dropped at the default buffer; reading them takes ${shown(readerPercent, 1)} % of a CPU.`;
}

function ownCpuSection(own: OwnCpu): string[] {
  return [
    '',
    `**kdelay’s own CPU time, for ${own.threads.toLocaleString('en')} threads and a window of ${own.windowSeconds} s**`,
    '',
    ...header(
      'thousand switches a second',
      'in the window: % of a CPU',
      'ns a switch',
      'start ms',
      'reading ms',
      'events lost',
      'switches missed',
      'peak memory MiB',
    ),
    row(
      shown(own.switchesPerMs, 0),
      shown(own.windowPercent, 1),
      shown(own.windowNsPerSwitch, 0),
      shown(own.openMs, 0),
      shown(own.readMs, 0),
      shown(own.lost, 0),
      shown(own.switchesMissed, 0),
      shown(own.peakMemoryMiB, 0),
    ),
  ];
}

function startUpSection(startUps: readonly StartUp[]): string[] {
  return [
    '',
    '**start-up**',
    '',
    ...header('tracer', 'attached ms', 'of that, opening ms', 'peak memory MiB'),
    ...startUps.map(({ tracer, attachedMs, openMs, peakMemoryMiB }) =>
      row(tracer, shown(attachedMs, 0), shown(openMs, 0), shown(peakMemoryMiB, 0)),
    ),
  ];
}

function relationLine(relations: readonly Relation[]): string[] {
  if (relations.length === 0) return [];
  const parts = relations.map(
    ({ to, isBystander, multiple }) =>
      `${isBystander ? 'for the bystander ' : ''}${shown(multiple, 2)} × ${to}`,
  );
  return ['', `kdelay adds ${parts.join(', ')}.`];
}

function header(...titles: string[]): string[] {
  return [row(...titles), `|${'---|'.repeat(titles.length)}`];
}

function row(...cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function shown(spread: Spread | null, digits: number): string {
  if (spread === null) return '';
  const { low, median, high } = spread;
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
