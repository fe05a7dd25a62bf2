/** The section of time blocked by stack: of each thread the longest, with their functions. */
import { escapeText } from '../../escape.js';
import type { OffCpu } from '../../report/types.js';
import { thousands } from '../../units.js';
import type { Pieces } from '../format.js';
import { endLines, frameLine } from './stacks.js';

/** Nothing where no thread was blocked. */
export function* offCpuPieces(times: readonly OffCpu[], most: number): Pieces {
  if (times.length === 0) return;
  yield '\n\n# OFF-CPU TIME:\n';
  yield `${line('TID', 'COMM', 'COUNT', 'TOTAL ns', 'MAX ns')}\n`;
  yield `${line(...([10, 16, 10, 16, 16].map((width) => '-'.repeat(width)) as Cells))}\n`;
  const shown = new Map<string, number>();
  const left = { stacks: 0, totalNs: 0n };
  for (const time of times) {
    const thread = `${time.pid} ${time.tid}`;
    const before = shown.get(thread) ?? 0;
    if (before === most) {
      left.stacks++;
      left.totalNs += BigInt(time.totalNs);
      continue;
    }
    shown.set(thread, before + 1);
    yield `${timeLines(time).join('\n')}\n`;
  }
  if (left.stacks > 0)
    yield `  (${thousands(left.stacks)} more stacks: ${thousands(left.totalNs)} ns; --off-cpu N shows more)\n`;
}

type Cells = [string, string, string, string, string];

function timeLines({
  tid,
  comm,
  count,
  totalNs,
  maxNs,
  kernelStack,
  userStack,
  userStackEnd,
}: OffCpu): string[] {
  const kernel = kernelStack.length === 0 ? ['      [unknown]'] : kernelStack.map(frameLine);
  return [
    line(String(tid), escapeText(comm), thousands(count), thousands(totalNs), thousands(maxNs)),
    '    slept at:',
    ...kernel,
    ...(userStackEnd === null ? [] : ['    called from:', ...userStack.map(frameLine)]),
    ...endLines(userStackEnd),
  ];
}

function line(...[tid, comm, count, total, longest]: Cells): string {
  return `  ${tid.padStart(10)} ${comm.padEnd(16)} ${count.padStart(10)} ${total.padStart(16)} ${longest.padStart(16)}`;
}
