/** What a session is told of calls to record and of stacks. */

import { limits } from '../constants.js';
import { KdelayError } from '../errors.js';
import type { Binding } from '../native/index.js';
import { checkInteger } from './check.js';

export interface SyscallEventOptions {
  /** Calls that took longer than this, in ns. Default: 0, each. */
  longerThanNs?: number;
  /** Only calls of these names. Default: of any. */
  only?: readonly string[];
  /** No calls of these names. Default: none. */
  except?: readonly string[];
  /** Kept of one sample, at most: the longest. Default: 100,000. */
  limit?: number;
  /** With the stacks of where they waited and of who called. Default: false. */
  stacks?: boolean;
  /** Pages of 4096 bytes of the ring buffer, a power of two up to 2^18. Default: 1024. */
  bufferPages?: number;
}

/** `dwarf`: by unwind tables, from a copy; `fp`: by frame pointers, in the kernel. The words are perf's. */
export const userStackMethods = ['dwarf', 'fp'] as const;

export type UserStackMethod = (typeof userStackMethods)[number];

export interface UserStackOptions {
  /**
   * How user stacks are taken: `dwarf`, from a copy by the unwind tables of the program and its libraries, or `fp`, by frame
   * pointers in the kernel. Default: dwarf.
   */
  userStackBy?: UserStackMethod;
  /** Copied from each user stack for `dwarf`: 0, for none, or a power of two from 4096 to 65536. Default: 16384. */
  userStackBytes?: number;
}

/** Throws INVALID_ARGUMENT. */
export function toEvents(options: SyscallEventOptions): Binding.BindingEventOptions {
  const longerThanNs = checkInteger('longerThanNs', options.longerThanNs ?? 0, 0, Number.MAX_SAFE_INTEGER);
  const mostPages = limits.ringBytes / limits.pageBytes;
  const bufferPages = checkInteger('bufferPages', options.bufferPages ?? 1024, 1, mostPages);
  if (!Number.isInteger(Math.log2(bufferPages))) {
    throw new KdelayError(
      'INVALID_ARGUMENT',
      `session: bufferPages is ${bufferPages}`,
      'give a power of two',
    );
  }
  return {
    stacks: options.stacks ?? false,
    leastNs: longerThanNs === 0 ? 0 : longerThanNs + 1,
    ...(options.only === undefined ? {} : { only: [...options.only] }),
    except: [...(options.except ?? [])],
    bufferBytes: bufferPages * limits.pageBytes,
    limit: checkInteger('limit', options.limit ?? 100_000, 1, 10_000_000),
  };
}

/** Throws INVALID_ARGUMENT. */
export function toUserStacks({ userStackBy = 'dwarf', userStackBytes = 16_384 }: UserStackOptions): {
  byFramePointer: boolean;
  userStackBytes: number;
} {
  if (!userStackMethods.includes(userStackBy)) {
    throw new KdelayError(
      'INVALID_ARGUMENT',
      `session: userStackBy is ${userStackBy}`,
      `give ${userStackMethods.join(' or ')}`,
    );
  }
  const { pageBytes, stackBytes } = limits;
  const isPower = Number.isInteger(Math.log2(userStackBytes));
  if (userStackBytes !== 0 && !(isPower && userStackBytes >= pageBytes && userStackBytes <= stackBytes)) {
    throw new KdelayError(
      'INVALID_ARGUMENT',
      `session: userStackBytes is ${userStackBytes}`,
      `give 0, or a power of two from ${pageBytes} to ${stackBytes}`,
    );
  }
  return { byFramePointer: userStackBy === 'fp', userStackBytes };
}
