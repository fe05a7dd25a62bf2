/** The counts as Markdown. */
import { type Counted, figures } from './counts.js';

export function markdown({ machine, counts }: Counted): string {
  const { getppid, futexpp } = counts;
  const tracers = [...new Set(figures(counts).map(({ tracer }) => tracer))];
  return [
    `Linux ${machine.kernel}, ${machine.emulator}. Without a tracer, a call takes ${getppid.bare} instructions and a hand-over ${futexpp.bare}.`,
    '',
    '| tracer | getppid: added instructions | bystander | hand-over: added instructions | bystander |',
    '|---|---|---|---|---|',
    ...tracers.map((tracer) => {
      const cells = [getppid, futexpp].flatMap(({ added }) => [
        added[tracer]?.watched,
        added[tracer]?.bystander,
      ]);
      return `| ${[tracer, ...cells.map((count) => count ?? '')].join(' | ')} |`;
    }),
  ].join('\n');
}
