/** What is to be measured, from the command line. */
import { parseArgs } from 'node:util';
import { bodies } from './load.js';
import { postgresql } from './postgresql.js';
import { redis } from './redis.js';
import type { ServerKind } from './server.js';
import type { Tracer } from './tracer.js';
import { tracers } from './tracers.js';

export const servers: readonly ServerKind[] = [postgresql, redis];

export interface Plan {
  rounds: number;
  /** Names of loads and servers, `rate`, `own-cpu` and `start-up`. */
  loads: ReadonlySet<string>;
  tracers: readonly Tracer[];
  write: boolean;
}

export const allLoads: readonly string[] = [
  ...bodies.map(({ name }) => name),
  ...servers.map(({ name }) => name),
  'rate',
  'own-cpu',
  'start-up',
];

/** Throws RangeError, or TypeError for an option that there is not. */
export function parsePlan(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      loads: { type: 'string' },
      only: { type: 'string', multiple: true },
      write: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new RangeError(`--rounds ${values.rounds}: give a whole number`);
  const loads = values.loads?.split(',').map((name) => name.trim()) ?? allLoads;
  refuseUnknown('--loads', loads, allLoads);
  const names = tracers.map(({ name }) => name);
  refuseUnknown('--only', values.only ?? [], names);
  // README.md has figures of one run only: those of two runs on such machines do not compare.
  if (values.write && (values.loads ?? values.only) !== undefined)
    throw new RangeError('--write takes everything: give neither --loads nor --only');
  return {
    rounds,
    loads: new Set(loads),
    tracers: tracers.filter(({ name }) => values.only?.includes(name) ?? true),
    write: values.write,
  };
}

function refuseUnknown(option: string, given: readonly string[], known: readonly string[]): void {
  for (const name of given)
    if (!known.includes(name)) throw new RangeError(`${option} ${name}: there are ${known.join(', ')}`);
}
