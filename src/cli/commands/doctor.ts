/** `kdelay doctor`: can this machine capture, with which probes, and if not, what to do. */

import { exitCodes } from '../../errors.js';
import { escapeJson, escapeText } from '../../escape.js';
import { type Column, tableLines } from '../../formats/text/table.js';
import { awaitNative, native } from '../../native/index.js';
import { version } from '../../package.js';
import { sudoLine } from '../terminal/as-root.js';
import { openOutput } from '../terminal/output.js';
import type { Streams } from '../terminal/streams.js';

export const doctorFormats = ['text', 'json'] as const;
export type DoctorFormat = (typeof doctorFormats)[number];

type Diagnosis = Awaited<ReturnType<ReturnType<typeof native>['doctor']>>;

/** Prints the diagnosis and returns the exit code: 0 if capturing will work, else 69. */
export async function doctor(format: DoctorFormat, { stdout }: Streams): Promise<number> {
  const diagnosis = await awaitNative(() => native().doctor());
  const output = await openOutput(null, stdout);
  const asRoot = diagnosis.capable || process.geteuid?.() === 0 ? null : sudoLine();
  await output.write(format === 'json' ? doctorJson(diagnosis) : doctorText(diagnosis, asRoot));
  return diagnosis.capable ? 0 : exitCodes.KERNEL_UNSUPPORTED;
}

export function doctorJson({ capable, kernel, arch, checks }: Diagnosis): string {
  const document = {
    schema: 'kdelay-doctor/1',
    version,
    capable,
    kernel,
    arch,
    checks: checks.map(({ name, status, detail, hint }) => ({ name, status, detail, hint })),
  };
  return `${escapeJson(JSON.stringify(document, null, 2))}\n`;
}

const columns: readonly Column[] = [
  { title: 'CHECK', width: 24, align: 'left' },
  { title: 'STATUS', width: 8, align: 'left' },
  { title: 'DETAIL', width: 0, align: 'left' },
];

/** `asRoot`: the line that asks the same as root, where that could be of use. */
export function doctorText({ capable, kernel, arch, checks }: Diagnosis, asRoot: string | null): string {
  const hints = checks.flatMap(({ name, hint }) => (hint === null ? [] : [`${name}: ${hint}`]));
  if (asRoot !== null) hints.push(`what root has: ${asRoot}`);
  return [
    `kdelay ${version} on Linux ${escapeText(kernel)} ${escapeText(arch)}`,
    '',
    ...tableLines(
      columns,
      checks.map(({ name, status, detail }) => [escapeText(name), status, escapeText(detail)]),
    ),
    ...(hints.length === 0 ? [] : ['', 'What to do:']),
    ...hints.flatMap((hint) =>
      hint.split('\n').map((line, index) => `${index === 0 ? '- ' : '  '}${escapeText(line)}`),
    ),
    '',
    capable ? 'kdelay capture works here.' : 'kdelay capture does not work here.',
    '',
  ].join('\n');
}
