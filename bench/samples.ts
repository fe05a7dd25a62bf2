/** Values by tracer and by figure, as the rounds bring them. */
import { type Spread, spread } from './statistics.js';

export class Samples<Figure extends string> {
  readonly #values = new Map<string, number[]>();

  add(tracer: string, figures: Partial<Record<Figure, number | null>>): void {
    for (const [figure, value] of Object.entries<number | null | undefined>(figures)) {
      if (value == null) continue;
      const key = `${tracer}\n${figure}`;
      const values = this.#values.get(key) ?? [];
      values.push(value);
      this.#values.set(key, values);
    }
  }

  /** Throws RangeError without any. */
  of(tracer: string, figure: Figure): Spread {
    return spread(this.#values.get(`${tracer}\n${figure}`) ?? []);
  }

  /** A figure of one tracer as a multiple of another's, round by round. Null unless the other's is clearly over 0. */
  multiple(tracer: string, other: string, figure: Figure): Spread | null {
    const values = this.#values.get(`${tracer}\n${figure}`);
    const others = this.#values.get(`${other}\n${figure}`);
    if (values === undefined || others === undefined || spread(others).low <= 0) return null;
    return spread(values.map((value, round) => value / (others[round] ?? Number.NaN)));
  }

  /** Null without any: the figure does not apply to the tracer. */
  ifAny(tracer: string, figure: Figure): Spread | null {
    return this.#values.has(`${tracer}\n${figure}`) ? this.of(tracer, figure) : null;
  }
}

/** So that no tracer always follows the same one. */
export function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  const taken: T[] = [];
  while (left.length > 0) taken.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return taken;
}
