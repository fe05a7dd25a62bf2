/** What every tracer is to those who measure: something that is attached to a process and taken off again. */

/** System calls by name. */
export type Calls = Readonly<Record<string, number>>;

export interface Attached {
  /**
   * Takes it off again. Throws if it did not count the calls that the process made; null: nobody asks. Resolves with the share
   * of calls, or of their stacks, that it lost; null: it does not record single calls, or none were asked for.
   */
  detach(made: Calls | null): Promise<number | null>;
}

/** A program of its own, which is attached. */
export interface Started extends Attached {
  readonly pid: number;
  /** What it printed until it was attached. */
  readonly printed: string;
  /** From its start until it was attached. */
  readonly attachedMs: number;
}

export interface Tracer {
  readonly name: string;
  readonly what: string;
  /** Whether it is compared under every load, or only where one thread calls the kernel all the time. */
  readonly everywhere: boolean;
  attach(pid: number): Promise<Attached>;
  /** Of a tracer that is a program of its own: what attach() starts. */
  start?(pid: number): Promise<Started>;
  /** Not ours: where it does not work it is left out, and the table tells why. */
  readonly foreign?: boolean;
  /** Whether its programs were run, once and for all, where no count tells it. Throws if they were not. */
  verify?(pid: number, work: () => Promise<Calls>): Promise<void>;
}
