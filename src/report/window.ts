import type { Sample } from './types.js';

/** A window's edges without what happened between them. */
export type Window = Pick<Sample, 'start' | 'stop' | 'windowNs'>;
