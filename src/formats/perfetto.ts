import type { Format } from './format.js';

/**
 * A time line in Perfetto's format. It is written while samples are taken, by whoever records what happens in them (docs/timeline.md): of
 * samples that were taken nothing more can be said in it.
 */
export const perfetto: Format = {
  name: 'perfetto',
  create: () => ({ header: () => [], sample: () => [], skipped: () => [], footer: () => [] }),
};
