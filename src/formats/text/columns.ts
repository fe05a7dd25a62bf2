/** Columns and cells that several tables of the text report have. */
import type { Percentiles } from '../../report/types.js';
import { thousands } from '../../units.js';
import type { Cell, Column } from './table.js';

export const left = (title: string, width: number): Column => ({ title, width, align: 'left' });
export const right = (title: string, width: number): Column => ({ title, width, align: 'right' });

export const name = left('NAME', 20);
export const count = right('COUNT', 10);
// Its title stands left of its numbers, as in the original.
export const schedCount = right('SCHED_CNT ', 10);
export const total = right('TOTAL ns', 16);
export const minimum = right('MIN ns', 16);
export const maximum = right('MAX ns', 16);
export const clipped = right('CLIPPED ns', 16);
export const percentileColumns = [right('P50 ns', 14), right('P90 ns', 14), right('P99 ns', 14)];

export function percentileCells(percentiles: Percentiles | null): Cell[] {
  const { p50Ns = null, p90Ns = null, p99Ns = null } = percentiles ?? {};
  return [extreme(p50Ns), extreme(p90Ns), extreme(p99Ns)];
}

/** "-": there is none. */
export function extreme(value: number | null): string {
  return value === null ? '-' : thousands(value);
}

export function sum<Key extends string>(rows: ReadonlyArray<Record<Key, number>>, key: Key): number {
  return rows.reduce((total, row) => total + row[key], 0);
}
