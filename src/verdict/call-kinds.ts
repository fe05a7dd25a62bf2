/** What a thread waits for in which system calls. */
import { pollFamily } from '../report/poll.js';
import type { Syscall } from '../report/types.js';

/**
 * `idle`: a thread with nothing to do is blocked there, so its time says nothing. `lock`: another thread has to go on first; an idle
 * worker waits there, too. `receive`: data that may come from a disk, or whenever the other end likes. `multiplexed`: of 32-bit programs, one
 * call for all that can be done with a socket, or with semaphores and queues. `child`: what it has begun has to execute a program first, or to end.
 * `open`: of a file, or of a FIFO.
 */
export type CallKind =
  | 'idle'
  | 'lock'
  | 'receive'
  | 'multiplexed'
  | 'send'
  | 'child'
  | 'open'
  | 'storage'
  | 'other';

const names: Readonly<Record<Exclude<CallKind, 'other'>, readonly string[]>> = {
  idle: [
    ...pollFamily,
    'nanosleep',
    'clock_nanosleep',
    'clock_nanosleep_time64',
    // Goes on with a sleep or a poll that a stop has cut short.
    'restart_syscall',
    'pause',
    'rt_sigsuspend',
    'rt_sigtimedwait',
    'rt_sigtimedwait_time64',
    'wait4',
    'waitid',
    'waitpid',
    'accept',
    'accept4',
  ],
  lock: [
    'futex',
    'futex_time64',
    'futex_wait',
    'futex_waitv',
    'semop',
    'semtimedop',
    'semtimedop_time64',
    'flock',
    // Of what they do, only waiting for a lock (F_SETLKW, F_OFD_SETLKW) takes time.
    'fcntl',
    'fcntl64',
  ],
  receive: [
    'read',
    'readv',
    'recv',
    'recvfrom',
    'recvmsg',
    'recvmmsg',
    'recvmmsg_time64',
    'msgrcv',
    'mq_timedreceive',
    'mq_timedreceive_time64',
    'splice',
    'io_getevents',
    'io_pgetevents',
    'io_uring_enter',
  ],
  multiplexed: ['socketcall', 'ipc'],
  send: [
    'write',
    'writev',
    'send',
    'sendto',
    'sendmsg',
    'sendmmsg',
    'sendfile',
    'sendfile64',
    'connect',
    'msgsnd',
    'mq_timedsend',
    'mq_timedsend_time64',
  ],
  // With CLONE_VFORK, as posix_spawn has it, or else not for long.
  child: ['vfork', 'clone', 'clone3'],
  open: ['open', 'openat', 'openat2'],
  storage: [
    'pread64',
    'preadv',
    'preadv2',
    'pwrite64',
    'pwritev',
    'pwritev2',
    'fsync',
    'fdatasync',
    'sync',
    'syncfs',
    'sync_file_range',
    'msync',
    'fallocate',
    'ftruncate',
    'truncate',
    'copy_file_range',
    'getdents',
    'getdents64',
    'stat',
    'lstat',
    'statx',
    'newfstatat',
    'rename',
    'renameat2',
    'unlink',
    'unlinkat',
    'mkdir',
    'mkdirat',
    'rmdir',
  ],
};

const kinds: ReadonlyMap<string, CallKind> = new Map(
  Object.entries(names).flatMap(([kind, calls]) => calls.map((name) => [name, kind as CallKind] as const)),
);

export function kindOf({ name }: Pick<Syscall, 'name'>): CallKind {
  return kinds.get(name) ?? 'other';
}

/** In words, after a colon. */
export const waitedFor: Readonly<Record<CallKind, string>> = {
  idle: 'nothing to do',
  lock: 'a lock, or nothing to do',
  receive: 'a disk, the network, or an other end that had nothing to say',
  multiplexed: 'a socket, a semaphore or a message queue, or an other end that had nothing to say',
  send: 'a disk, the network, or an other end that does not take it',
  child: 'its child to execute a program or to end',
  open: 'a disk or a file system, or, of a FIFO, its other end',
  storage: 'a disk or a file system',
  other: 'something in the kernel',
};
