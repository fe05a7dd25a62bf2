/** The tables of whom a thread had to do with: who had its CPU, and who woke it. */
import { escapeText } from '../../escape.js';
import { isIdleCpu } from '../../report/tasks.js';
import type { RanInsteadTask, Thread, Waker } from '../../report/types.js';
import { percent, thousands } from '../../units.js';
import { count, left, name, right, total } from './columns.js';
import type { Cell } from './table.js';

const pid = right('PID', 10);
const tid = right('TID', 10);

export const ranInsteadColumns = [name, pid, tid, count, total, right('% OF READY', 10), left('CGROUP', 6)];

/** Nothing where it never waited, as far as is known. */
export function ranInsteadRows({ ranInstead, ready }: Thread): Cell[][] {
  const { tasks, otherTasksNs, unattributedNs } = ranInstead;
  if (tasks.length === 0 && otherTasksNs === 0 && unattributedNs === 0) return [];
  const times = (ns: number): Cell[] => [thousands(ns), percent(ns, ready.totalNs)];
  const rest: ReadonlyArray<readonly [string, number]> = [
    ['(other tasks)', otherTasksNs],
    ['(not known)', unattributedNs],
  ];
  return [
    ...tasks.map((task) => [...taskCells(task), ...times(task.totalNs), escapeText(task.cgroup ?? '-')]),
    ...rest
      .filter(([, ns]) => ns > 0)
      .map(([label, ns]): Cell[] => [label, null, null, null, ...times(ns), null]),
    ['TOTAL (ready):', null, null, null, ...times(ready.totalNs), null],
  ];
}

function taskCells(task: RanInsteadTask): Cell[] {
  if (isIdleCpu(task)) return ['(idle CPU)', null, null, task.count];
  return [escapeText(task.comm), ...idCells(task), task.count];
}

/** A task of another pid namespace has none here. */
function idCells({ pid, tid }: { pid: number; tid: number }): Cell[] {
  return pid === 0 ? ['-', '-'] : [pid, tid];
}

/** Which CPUs were waited for longest. */
export function cpuLines({ ranInstead: { cpus }, ready }: Thread): string[] {
  if (cpus.length === 0) return [];
  const named = cpus.map(
    ({ cpu, totalNs }) => `CPU ${cpu}: ${thousands(totalNs)} ns (${percent(totalNs, ready.totalNs)} %)`,
  );
  return [`on ${named.join(', ')}`];
}

export const wakerColumns = [name, left('BY', 8), pid, tid, count, right('BLOCKED ns', 16)];

export function wakerRows(wakers: readonly Waker[]): Cell[][] {
  return wakers.map(({ by, name, pid, tid, count, blockedNs }) => {
    const ids = by === 'task' ? idCells({ pid, tid }) : [null, null];
    return [escapeText(name === '' ? `(${by})` : name), by, ...ids, count, thousands(blockedNs)];
  });
}
