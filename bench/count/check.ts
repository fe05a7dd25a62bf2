/** Whether kdelay has become dearer than the committed counts say. */
import { type Counted, type Figure, figures, type Machine } from './counts.js';

/** Per cent of the committed figure. */
export const tolerance = 2;

export interface Check {
  /** It has: the run is to fail. */
  failed: boolean;
  lines: string[];
}

interface Change extends Figure {
  before: number;
  /** How much more it is now, in per cent of what it was. */
  percent: number;
}

const empty = 'emptyall';
/** What kdelay is compared with, and does not change with it. */
const controls: readonly string[] = ['floor', 'original', 'originalall'];

const rewrite = 'npm run bench:count -- --write';

export function check(committed: Counted, found: Counted): Check {
  const unpaired = difference(names(committed), names(found));
  if (unpaired.length > 0) {
    const lines = unpaired.map((name) => `committed or counted, but not both: ${name}`);
    return { failed: true, lines: [...lines, `'${rewrite}' commits what is counted now.`] };
  }
  if (isSame(committed.machine, found.machine)) return judge(changes(committed, found));
  return acrossMachines(committed, found);
}

/**
 * Another kernel does more or less at a probe whoever attaches it. So what the empty programs cost on each is taken off,
 * and the programs in C, which are the same on both, must cost the same: or else a difference is not kdelay's.
 */
function acrossMachines(committed: Counted, found: Counted): Check {
  const all = changes(withoutEmpty(committed), withoutEmpty(found), committed);
  const moved = all.filter(
    ({ tracer, percent }) => controls.includes(tracer) && Math.abs(percent) > tolerance,
  );
  const head = [
    `committed: ${named(committed.machine)}`,
    `counted:   ${named(found.machine)}`,
    `These are two machines. What is compared is without '${empty}', in per cent of the committed figure.`,
  ];
  if (moved.length > 0) {
    const lines = moved.map((change) => `not kdelay’s: ${shown(change)}`);
    return {
      failed: false,
      lines: [
        ...head,
        ...lines,
        `Nothing is known of kdelay’s own: '${rewrite}' commits the counts of this machine.`,
      ],
    };
  }
  const { failed, lines } = judge(all.filter(({ tracer }) => !controls.includes(tracer)));
  return { failed, lines: [...head, ...lines, `'${rewrite}' commits the counts of this machine.`] };
}

function judge(changes: readonly Change[]): Check {
  const dearer = changes.filter(({ percent }) => percent > tolerance);
  const cheaper = changes.filter(({ percent }) => percent < -tolerance);
  const lines = [
    ...dearer.map((change) => `dearer: ${shown(change)}`),
    ...cheaper.map((change) => `cheaper: ${shown(change)}`),
  ];
  if (dearer.length > 0)
    lines.push(`If it is worth that, commit the new counts with the reason: '${rewrite}' writes them.`);
  else if (cheaper.length > 0)
    lines.push(`So that it stays so, commit the new counts: '${rewrite}' writes them.`);
  else lines.push(`No figure is more than ${tolerance} % from the committed one.`);
  return { failed: dearer.length > 0, lines };
}

function changes(committed: Counted, found: Counted, whole: Counted = committed): Change[] {
  const now = new Map(figures(found.counts).map((figure) => [nameOf(figure), figure.instructions]));
  const wholes = figures(whole.counts);
  return figures(committed.counts).flatMap((figure, index) => {
    const instructions = now.get(nameOf(figure));
    const of = wholes[index]?.instructions;
    if (instructions === undefined || of === undefined) return [];
    const before = figure.instructions;
    return [{ ...figure, before, instructions, percent: (100 * (instructions - before)) / of }];
  });
}

function withoutEmpty(counted: Counted): Counted {
  const counts = structuredClone(counted.counts);
  for (const { added } of Object.values(counts)) {
    const least = { ...(added[empty] ?? { watched: 0, bystander: 0 }) };
    for (const figure of Object.values(added)) {
      figure.watched -= least.watched;
      figure.bystander -= least.bystander;
    }
  }
  return { ...counted, counts };
}

function names({ counts }: Counted): string[] {
  return figures(counts).map(nameOf);
}

/** What only one of both has. */
function difference(one: readonly string[], other: readonly string[]): string[] {
  return [...one.filter((name) => !other.includes(name)), ...other.filter((name) => !one.includes(name))];
}

function isSame(one: Machine, other: Machine): boolean {
  return one.kernel === other.kernel && one.emulator === other.emulator;
}

function named({ kernel, emulator }: Machine): string {
  return `Linux ${kernel}, ${emulator}`;
}

function nameOf({ load, tracer, who }: Figure): string {
  return `${load}, ${tracer}, ${who}`;
}

function shown(change: Change): string {
  const sign = change.percent < 0 ? '' : '+';
  return `${nameOf(change)}: ${change.before} → ${change.instructions} instructions (${sign}${change.percent.toFixed(1)} %)`;
}
