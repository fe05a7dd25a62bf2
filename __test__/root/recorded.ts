/** System calls that a running program keeps making, as the command line records them. */
import type { OffCpu, SyscallEvent } from '../../src/index.js';
import { samples } from './cli.js';

export interface Recorded {
  calls: SyscallEvent[];
  /** Times blocked. */
  blocked: OffCpu[];
}

/** Until there are calls of this name enough: how soon they come is the machine's. */
export async function record(pid: number, call: string, ...args: string[]): Promise<Recorded> {
  const found: Recorded = { calls: [], blocked: [] };
  for (let captures = 0; found.calls.length < 5 && captures < 20; captures++) {
    const options = ['-p', String(pid), '-s', '--syscall', call, '--off-cpu', '--sample-time', '0.3'];
    for (const { syscallEvents, offCpu } of await samples(...options, ...args)) {
      found.calls.push(...syscallEvents);
      found.blocked.push(...offCpu);
    }
  }
  return found;
}
