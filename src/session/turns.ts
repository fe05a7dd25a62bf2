import { setImmediate } from 'node:timers/promises';
import type { Steps } from '../report/steps.js';

/** Nobody notices that long, and a signal is not kept waiting for longer. */
const longestMs = 20;

/** For what takes long in Node's only thread: when its event loop is to have its turns. */
export class Turns {
  #sinceMs = performance.now();

  isDue(): boolean {
    return performance.now() - this.#sinceMs >= longestMs;
  }

  /** So a signal is heard. */
  async give(): Promise<void> {
    await setImmediate();
    this.begin();
  }

  /** It has just had some. */
  begin(): void {
    this.#sinceMs = performance.now();
  }
}

/** All of the steps, while Node's event loop has its turns. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  const turns = new Turns();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (turns.isDue()) await turns.give();
  }
}
