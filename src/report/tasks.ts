import type { RanInsteadTask } from './types.js';

/** Nobody ran: the CPU was waking up. Tasks that have no pid here have 0 as well, but names of their own. */
export function isIdleCpu({ pid, comm }: Pick<RanInsteadTask, 'pid' | 'comm'>): boolean {
  return pid === 0 && /^swapper(\/\d+)?$/.test(comm);
}
