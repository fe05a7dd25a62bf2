import type { Writable } from 'node:stream';

/** Where a run writes: stdout gets the report only. */
export interface Streams {
  stdout: Writable;
  stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}
