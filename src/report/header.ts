/** What a report says before its samples: which kdelay, which machine, which processes, which options. */
import os from 'node:os';
import { version } from '../package.js';
import { toTarget } from './sample.js';
import type { Header, Host, Options, Target } from './types.js';

export function buildHeader(targets: readonly Target[], options: Options, host = thisHost()): Header {
  return { schema: 'kdelay/1', version, host, targets: targets.map(toTarget), options };
}

function thisHost(): Host {
  return { hostname: os.hostname(), kernel: os.release(), arch: os.machine(), cpus: os.cpus().length };
}
