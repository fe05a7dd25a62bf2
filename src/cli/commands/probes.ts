/** `kdelay probes`: what can be a trigger, in the syntax that `--start-trigger` takes. */
import { escapeJson, escapeText } from '../../escape.js';
import { awaitNative, type Binding, native } from '../../native/index.js';
import { version } from '../../package.js';
import { note } from '../terminal/messages.js';
import { openOutput } from '../terminal/output.js';
import type { Streams } from '../terminal/streams.js';
import { findTargets } from './capture-targets.js';

export const probesFormats = ['text', 'json'] as const;
export type ProbesFormat = (typeof probesFormats)[number];

export interface ProbesRequest {
  /** The process to look into. Neither: the kernel alone. */
  pid: number | null;
  name: string | null;
  /** Part of a trigger's text, or a glob. */
  pattern: string | null;
  format: ProbesFormat;
}

export async function probes(request: ProbesRequest, { stdout, stderr }: Streams): Promise<void> {
  const pid = await targetOf(request);
  const { probes, problems } = await awaitNative(() => native().listProbes(pid, request.pattern));
  const output = await openOutput(null, stdout);
  await output.write(request.format === 'json' ? probesJson(probes, problems) : probesText(probes));
  for (const problem of problems) note(stderr, `not listed: ${problem}`);
  if (pid === null) note(stderr, 'these are the kernel’s; -p PID adds those of a process');
}

async function targetOf({ pid, name }: ProbesRequest): Promise<number | null> {
  if (pid === null && name === null) return null;
  const request = { pid: pid === null ? [] : [pid], name: name === null ? [] : [name], all: false };
  const { pids } = await findTargets(request, native());
  return pids[0] ?? null;
}

export function probesText(probes: readonly Binding.BindingProbe[]): string {
  return probes.map((probe) => `${line(probe)}\n`).join('');
}

/** The trigger comes first and alone on its line as far as a script is concerned: what follows stands behind a tab. */
function line({ trigger, demangled, object, locations }: Binding.BindingProbe): string {
  const remarks = [
    ...(demangled === null ? [] : [escapeText(demangled)]),
    ...(object === null ? [] : [escapeText(object)]),
    ...(locations > 1 ? [`${locations} places`] : []),
  ];
  return [escapeText(trigger), ...(remarks.length === 0 ? [] : [remarks.join(', ')])].join('\t');
}

export function probesJson(probes: readonly Binding.BindingProbe[], problems: readonly string[]): string {
  const document = {
    schema: 'kdelay-probes/1',
    version,
    probes: probes.map(({ trigger, kind, object, demangled, locations, semaphore }) => ({
      trigger,
      kind,
      object,
      demangled,
      locations,
      semaphore,
    })),
    problems,
  };
  return `${escapeJson(JSON.stringify(document, null, 2))}\n`;
}
