import { Writable } from 'node:stream';

/** Keeps what is written to it. */
export class Collector extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;

  /** `columns`: 0 where the terminal does not say. */
  constructor({ isTTY = false, columns = 0 } = {}) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    this.columns = columns;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.text += String(chunk);
    done();
  }
}

/** Fails every write, as a closed pipe or a full disk does. */
export class FailingStream extends Writable {
  readonly #error: Error;

  constructor(code: string, errno: number) {
    super();
    this.#error = Object.assign(new Error(`${code}: write`), { code, errno });
  }

  override _write(_chunk: unknown, _encoding: string, done: (error?: Error | null) => void): void {
    done(this.#error);
  }
}
