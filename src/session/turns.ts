import { setImmediate } from 'node:timers/promises';
import type { Steps } from '../report/steps.js';

/** Nobody notices that long. */
const longestMs = 20;

/** All of the steps, while Node's event loop has its turns: so a signal is heard. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  let sinceMs = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - sinceMs < longestMs) continue;
    await setImmediate();
    sinceMs = performance.now();
  }
}
