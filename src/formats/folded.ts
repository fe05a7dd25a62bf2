import { escapeText } from '../escape.js';
import type { Frame, OffCpu } from '../report/types.js';
import type { Format, Pieces } from './format.js';

/**
 * Time blocked by stack, one a line, outermost function first and ns at the end: what flame graphs are drawn from. Kernel
 * functions are marked as perf's scripts do.
 */
export const folded: Format = {
  name: 'folded',
  create() {
    const sums = new Map<string, bigint>();
    return {
      header: () => [],
      sample({ offCpu }) {
        for (const time of offCpu) {
          const stack = stackOf(time);
          sums.set(stack, (sums.get(stack) ?? 0n) + BigInt(time.totalNs));
        }
        return [];
      },
      skipped: () => [],
      *footer(): Pieces {
        const longestFirst = [...sums].sort(([, a], [, b]) => Number(b - a));
        for (const [stack, totalNs] of longestFirst) yield `${stack} ${totalNs}\n`;
      },
    };
  },
};

function stackOf({ comm, userStack, kernelStack, userStackEnd }: OffCpu): string {
  const cut = userStackEnd === null || userStackEnd === 'complete' ? [] : ['[cut]'];
  return [
    comm,
    ...cut,
    ...userStack.map((frame) => name(frame)).reverse(),
    ...kernelStack.map((frame) => `${name(frame)}_[k]`).reverse(),
  ]
    .map(inOneWord)
    .join(';');
}

function name({ symbol, module, moduleAddress, address }: Frame): string {
  if (symbol !== null) return symbol;
  const file = module?.slice(module.lastIndexOf('/') + 1) ?? '[unknown]';
  return `${file}+${moduleAddress ?? address}`;
}

/** Semicolons separate functions, and a name with one would be two. */
function inOneWord(text: string): string {
  return escapeText(text).replaceAll(';', ':');
}
