/** What tools say that they counted, read from what they print. */
import type { Calls } from './tracer.js';

/** `getppid  205056  46273.267` */
export function countsOfSyscount(printed: string): Calls {
  return sums(printed.matchAll(/^(\w+) +(\d+) +[\d.]+$/gm), 1, 2);
}

/** `  99.68  0.005921  0  8960  12  getppid`, where the errors may be missing. */
export function countsOfStrace(printed: string): Calls {
  const { total: _, ...calls } = sums(
    printed.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm),
    2,
    1,
  );
  return calls;
}

/** `   getppid  26368  0  34.282  0.001  0.001  0.035  0.32%`, of each thread. */
export function countsOfPerfTrace(printed: string): Calls {
  return sums(printed.matchAll(/^ +(\w+) +(\d+) +\d+(?: +[\d.]+){4} +[\d.]+%$/gm), 1, 2);
}

/** `@calls[12, 110]: count 5, average 1, total 5`, by the calls' numbers. */
export function countsOfBpftrace(printed: string): Calls {
  return sums(printed.matchAll(/^@calls\[\d+, (\d+)\]: count (\d+),/gm), 1, 2);
}

/** `   16 -> 31   : 2   |****   |` */
export function countOfHistogram(printed: string): number {
  const rows = printed.matchAll(/^ *\d+ -> \d+ *: (\d+) /gm);
  return [...rows].reduce((sum, [, count]) => sum + Number(count), 0);
}

function sums(rows: Iterable<RegExpMatchArray>, name: number, count: number): Calls {
  const calls: Record<string, number> = {};
  for (const row of rows) {
    const key = row[name] ?? '';
    calls[key] = (calls[key] ?? 0) + Number(row[count]);
  }
  return calls;
}

/**
 * The share of `made` that is missing in `counted`; what was counted beyond that is the process's own business. Throws if
 * nothing of it was counted.
 */
export function lostShare(tool: string, counted: Calls, made: Calls): number {
  const names = Object.keys(made);
  const all = total(made);
  const found = names.reduce((sum, name) => sum + Math.min(counted[name] ?? 0, made[name] ?? 0), 0);
  if (found === 0 && all > 0) throw new Error(`${tool} counted none of ${all} calls (${names.join(', ')})`);
  return all === 0 ? 0 : (all - found) / all;
}

export function total(calls: Calls): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}
