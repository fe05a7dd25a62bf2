/** Where the report goes. */
import { constants, openSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { getSystemErrorMap } from 'node:util';
import { KdelayError } from '../../errors.js';

export interface Output {
  /** False: nobody reads any more, and the run may as well end. Throws IO. */
  write(text: string): Promise<boolean>;
  /**
   * What is written by now is whole with this behind it. A second signal leaves that of a regular file, however much of what comes next is
   * written by then. What went anywhere else cannot be taken back, and the end is not asked for.
   */
  keep(end: () => string): void;
  /** Throws IO. */
  close(): Promise<void>;
}

/** For what is written elsewhere. */
export const noOutput: Output = {
  write: async () => true,
  keep() {},
  close: async () => undefined,
};

/** As the native module has it; null: no file any more. */
type KeepAtSecondSignal = (file: { fd: number; length: number; end: string } | null) => void;

/** Opens the file, or wraps stdout. Throws IO. */
export async function openOutput(
  path: string | null,
  stdout: Writable,
  keepAtSecondSignal: KeepAtSecondSignal = () => undefined,
): Promise<Output> {
  if (path === null) return streamOutput('standard output', stdout);
  const { file, created } = await openFile(path);
  const status = await file.stat();
  if (status.isFIFO()) return pipeOutput(path, file);
  // A device cannot be cut, and need not be.
  return status.isFile() ? fileOutput(path, file, created, keepAtSecondSignal) : deviceOutput(path, file);
}

/**
 * A slow reader would hold up a write to the file in a thread of Node's, and then even process.exit() waits for it. A
 * socket waits in no thread.
 */
async function pipeOutput(path: string, file: FileHandle): Promise<Output> {
  const { O_WRONLY, O_NONBLOCK } = constants;
  try {
    // Opened anew: both the file and the socket close what they have.
    const fd = openSync(`/proc/self/fd/${file.fd}`, O_WRONLY | O_NONBLOCK);
    const socket = new Socket({ fd, readable: false, writable: true });
    return {
      ...streamOutput(path, socket),
      async close() {
        socket.destroy();
      },
    };
  } catch (error) {
    throw ioError(path, error);
  } finally {
    await file.close();
  }
}

function streamOutput(what: string, stream: Writable): Output {
  let failure: NodeJS.ErrnoException | undefined;
  // Without a listener the stream's error would end the process; its write callback reports the same one.
  stream.on('error', (error) => {
    failure ??= error;
  });
  return {
    async write(text) {
      if (text === '') return true;
      await new Promise<void>((resolve) => {
        stream.write(text, (error) => {
          failure ??= error ?? undefined;
          resolve();
        });
      });
      if (failure === undefined) return true;
      if (failure.code === 'EPIPE') return false;
      throw ioError(what, failure);
    },
    keep() {},
    async close() {},
  };
}

function deviceOutput(path: string, file: FileHandle): Output {
  return {
    async write(text) {
      await orIoError(path, () => file.writeFile(text));
      return true;
    },
    keep() {},
    close: () => orIoError(path, () => file.close()),
  };
}

/** The file's former content stays until there is something to write, so that a run that fails at once destroys nothing. */
function fileOutput(
  path: string,
  file: FileHandle,
  created: boolean,
  keepAtSecondSignal: KeepAtSecondSignal,
): Output {
  let length = 0;
  let isKept = false;
  return {
    async write(text) {
      if (text === '') return true;
      const bytes = Buffer.from(text);
      await orIoError(path, async () => {
        if (length === 0) await file.truncate(0);
        await file.writeFile(bytes);
      });
      length += bytes.length;
      return true;
    },
    keep(end) {
      keepAtSecondSignal({ fd: file.fd, length, end: end() });
      isKept = true;
    },
    async close() {
      await orIoError(path, async () => {
        await file.close();
        if (created && length === 0) await unlink(path);
      });
      if (isKept) keepAtSecondSignal(null);
    },
  };
}

async function orIoError(path: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw ioError(path, error);
  }
}

async function openFile(path: string): Promise<{ file: FileHandle; created: boolean }> {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  try {
    try {
      return { file: await open(path, O_WRONLY | O_CREAT | O_EXCL, 0o666), created: true };
    } catch (error) {
      if (!isErrno(error) || error.code !== 'EEXIST') throw error;
      return { file: await open(path, O_WRONLY | O_CREAT, 0o666), created: false };
    }
  } catch (error) {
    throw ioError(path, error);
  }
}

function ioError(what: string, error: unknown): KdelayError {
  const why = isErrno(error) ? describeErrno(error) : String(error);
  const hint = 'choose a file that can be written, and check that the disk has room';
  return new KdelayError('IO', `${what}: ${why}`, hint, error instanceof Error ? error : undefined);
}

/** "ENOSPC: no space left on device, write" → "no space left on device" */
function describeErrno(error: NodeJS.ErrnoException): string {
  return getSystemErrorMap().get(error.errno ?? 0)?.[1] ?? error.message;
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
