/** What is compared: one entry a tracer, the empty programs first. */
import { floor } from './floor.js';
import { everythingOn, kdelay, withoutWho } from './kdelay.js';
import { tools } from './tools.js';
import type { Tracer } from './tracer.js';

/** Each call; all but a few are left out once they have been read. */
const each = { limit: 1000 };
const stacked = { ...each, stacks: true };

export const tracers: readonly Tracer[] = [
  {
    name: 'bare',
    what: 'nothing attached: what it shows is noise, and so is what others show below that',
    everywhere: true,
    attach: async () => ({ detach: async () => null }),
  },
  floor('empty', 'empty `tp_btf` programs on sys_enter and sys_exit'),
  floor('emptyall', 'empty `tp_btf` programs on all nine tracepoints that kdelay uses on the way', false),
  floor('floor', 'C: calls only, count, total, max and histogram in global arrays'),
  floor('original', 'C: calls only, by the original’s design: classic tracepoints, two hash maps'),
  floor(
    'originalall',
    'C: the original’s design with run, ready and soft interrupts: a hash of starts and one of sums for each',
  ),
  everythingOn,
  withoutWho,
  kdelay('slower calls', 'the same as kdelay, and `-s` with a threshold that no call reaches', {
    syscallEvents: { longerThanNs: 10_000_000_000, stacks: true },
  }),
  kdelay('each call', 'the same, and `-s`, without stacks', { syscallEvents: each }),
  kdelay('kernel stacks', 'the same, with kernel stacks', { syscallEvents: stacked, userStackBytes: 0 }),
  kdelay('frame pointers', 'the same, with kernel stacks, and user stacks by frame pointers', {
    syscallEvents: stacked,
    userStackBy: 'fp',
  }),
  ...[4, 8, 16, 32].map((kib) =>
    kdelay(`stacks, ${kib} KiB`, `the same, with kernel stacks and ${kib} KiB of each user stack`, {
      syscallEvents: stacked,
      userStackBytes: kib * 1024,
    }),
  ),
  kdelay('off-CPU', 'everything on, and `--off-cpu`', { offCpu: true }),
  ...tools,
];
