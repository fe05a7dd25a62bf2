/** What was counted, as counts.json keeps it. */

export const loads = ['getppid', 'futexpp'] as const;
export type LoadName = (typeof loads)[number];

/** Instructions that are added to an operation of the process that is watched, and of another one. */
export interface Added {
  watched: number;
  bystander: number;
}

export interface LoadCounts {
  /** Instructions of an operation without a tracer. */
  bare: number;
  /** By the tracer's name. */
  added: Record<string, Added>;
}

export type Counts = Record<LoadName, LoadCounts>;

/** What the counts depend on besides the programs: others count otherwise. */
export interface Machine {
  /** As `uname -r` has it. */
  kernel: string;
  /** The first line of `qemu-system-x86_64 --version`. */
  emulator: string;
}

export interface Counted {
  machine: Machine;
  counts: Counts;
}

export interface Figure {
  load: LoadName;
  tracer: string;
  who: keyof Added;
  instructions: number;
}

/** One by one. */
export function figures(counts: Counts): Figure[] {
  return loads.flatMap((load) =>
    Object.entries(counts[load].added).flatMap(([tracer, added]) =>
      (['watched', 'bystander'] as const).map((who) => ({ load, tracer, who, instructions: added[who] })),
    ),
  );
}

/** Throws if the text is none of those that `serialized` makes. */
export function parseCounted(text: string): Counted {
  const counted = JSON.parse(text) as Counted;
  const { kernel, emulator } = counted.machine;
  if (typeof kernel !== 'string' || typeof emulator !== 'string')
    throw new TypeError('a machine lacks a name');
  for (const { load, tracer, who, instructions } of figures(counted.counts))
    if (!Number.isFinite(instructions)) throw new TypeError(`${load}, ${tracer}, ${who}: not a number`);
  return counted;
}

export function serialized(counted: Counted): string {
  return `${JSON.stringify(counted, null, 2)}\n`;
}
