/** What the user may not look at in a process that is captured, and so is missing in its report. */
import { readFile } from 'node:fs/promises';
import type { LossWarning } from '../report/losses.js';

/** One warning, however many they are. `proc` is for tests. */
export async function accessWarnings(pids: readonly number[], proc = '/proc'): Promise<LossWarning[]> {
  const closed: number[] = [];
  for (const pid of pids) if (await isClosed(`${proc}/${pid}/syscall`)) closed.push(pid);
  if (closed.length === 0) return [];
  const [first] = closed;
  const which = closed.length === 1 ? `process ${first}` : `process ${first} and ${closed.length - 1} more`;
  return [
    {
      what: `calls in which threads of ${which} were blocked all along are not named: /proc/${first}/syscall is closed to this user`,
      advice:
        'It takes CAP_SYS_PTRACE and, where the process is another user’s, CAP_DAC_READ_SEARCH (docs/privileges.md).',
    },
  ];
}

/** Not: it has ended, or this kernel has no such file. The kernel answers only once an execve under way there is over. */
async function isClosed(path: string): Promise<boolean> {
  try {
    await readFile(path);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM';
  }
}
