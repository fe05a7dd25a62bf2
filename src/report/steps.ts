/** Computations that may take long, in steps, so that whoever has an event loop can leave it its turns in between. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** All at once. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
