/** What a thread waited for, as a tree: indented by how far one has followed it. */
import { escapeText } from '../../escape.js';
import type { Chain, PathStep, Thread } from '../../report/types.js';
import { percent, thousands } from '../../units.js';
import { count, left, right, total } from './columns.js';
import type { Cell } from './table.js';

export const chainColumns = [left('WAITED FOR', 60), count, total, right('% OF WAITS', 10)];

/** Those that take most: of more than these a reader loses the thread. */
const mostAtEachStep = 3;

/** Nothing where it has not waited, or nothing was recorded. */
export function chainRows({ chains }: Pick<Thread, 'chains'>): Cell[][] {
  const all = chains ?? [];
  const waitedNs = all.reduce((sum, { totalNs }) => sum + totalNs, 0);
  return waitedNs === 0 ? [] : rows(all, waitedNs, 0);
}

function rows(chains: readonly Chain[], waitedNs: number, depth: number): Cell[][] {
  return chains
    .slice(0, mostAtEachStep)
    .flatMap((chain) => [
      [
        `${'  '.repeat(depth)}${words(chain)}`,
        chain.count,
        thousands(chain.totalNs),
        percent(chain.totalNs, waitedNs),
      ],
      ...rows(chain.below, waitedNs, depth + 1),
    ]);
}

/** Of the thread itself, what it did; of another one, who did what. */
export function words({ what, call, name, by, byCall, tid }: PathStep): string {
  const doing = call === null ? told[what] : `${told[what]} in ${call}`;
  if (what === 'interrupt') return name === '' ? 'an interrupt' : `interrupt ${escapeText(name)}`;
  if (!isOfTask.has(what) || (by === null && what !== 'turn')) return doing;
  const who = `${name === '' ? '(no name)' : escapeText(name)}${tid === 0 ? '' : ` (${tid})`}`;
  if (what === 'turn') return `the CPU was ${who}’s`;
  if (by === 'waker' && byCall !== null) return `${who} by ${byCall}: ${doing}`;
  return `${who}${by === null ? '' : role[by]}: ${doing}`;
}

const told: Readonly<Record<Chain['what'], string>> = {
  running: 'running',
  ready: 'ready for a CPU',
  blocked: 'blocked',
  stopped: 'stopped',
  frozen: 'frozen',
  turn: 'its turn',
  idle: 'the CPU was waking up',
  interrupt: 'an interrupt',
  unfinished: 'not over at the window’s end',
  unknown: '(not known)',
  others: '(others)',
};

const isOfTask: ReadonlySet<Chain['what']> = new Set([
  'running',
  'ready',
  'blocked',
  'stopped',
  'frozen',
  'turn',
  'unknown',
]);

const role: Readonly<Record<NonNullable<Chain['by']>, string>> = {
  waker: '',
  exit: ', until it ended',
  parent: ', before it made that one',
};
