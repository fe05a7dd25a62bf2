/** The recorded calls of a sample. There may be millions: they stay in native memory, and become objects as they are read. */
import type { Binding } from '../native/index.js';
import type { Frame, Report, Sample, SyscallEvent } from './types.js';

/** In the order of their beginnings; a plain array is one. */
export interface SyscallEvents extends Iterable<SyscallEvent> {
  readonly length: number;
  /** Undefined: there are fewer. */
  at(index: number): SyscallEvent | undefined;
}

/**
 * A sample as it was captured. In JSON its events are an array. The `syscalls` of its threads are made from native memory each time that
 * they are read: whoever wants to change them, or compares them often, takes a copy.
 */
export type CapturedSample = Omit<Sample, 'syscallEvents'> & { syscallEvents: SyscallEvents };

/** A report of such samples; one that was read from JSON is one, too. */
export type CapturedReport = Omit<Report, 'samples'> & { samples: readonly CapturedSample[] };

/** The stack of an index; none of none. */
export type StackOf = (index: number | null) => Frame[];

/** How many become objects at once: crossing over to native code for each one would take longer. */
const chunkLength = 256;

export class RecordedEvents implements SyscallEvents {
  readonly #calls: Binding.BindingCalls;
  readonly #stack: StackOf;
  #from = 0;
  #chunk: SyscallEvent[] = [];

  constructor(calls: Binding.BindingCalls, stack: StackOf) {
    this.#calls = calls;
    this.#stack = stack;
  }

  get length(): number {
    return this.#calls.length;
  }

  at(index: number): SyscallEvent | undefined {
    const place = index < 0 ? this.length + index : index;
    if (!Number.isInteger(place) || place < 0 || place >= this.length) return undefined;
    if (place < this.#from || place >= this.#from + this.#chunk.length) {
      this.#from = place - (place % chunkLength);
      this.#chunk = this.#calls
        .slice(this.#from, this.#from + chunkLength)
        .map((raw) => toEvent(raw, this.#stack));
    }
    return this.#chunk[place - this.#from];
  }

  *[Symbol.iterator](): Generator<SyscallEvent, void, void> {
    for (let index = 0; index < this.length; index++) {
      const event = this.at(index);
      if (event !== undefined) yield event;
    }
  }

  /** What JSON writers go through one by one, and then ask for what it stands for. */
  toJSON(): { toJSON(): SyscallEvent | undefined }[] {
    return Array.from({ length: this.length }, (_, index) => new Entry(this, index));
  }
}

/** It has no more than it needs: there is one for each event at a time. */
class Entry {
  readonly events: RecordedEvents;
  readonly index: number;

  constructor(events: RecordedEvents, index: number) {
    this.events = events;
    this.index = index;
  }

  toJSON(): SyscallEvent | undefined {
    return this.events.at(this.index);
  }
}

function toEvent(raw: Binding.BindingSyscallEvent, stack: StackOf): SyscallEvent {
  return {
    ...raw,
    entryNs: String(raw.entryNs),
    exitNs: String(raw.exitNs),
    kernelStack: stack(raw.kernelStack),
    userStack: stack(raw.userStack),
  };
}
