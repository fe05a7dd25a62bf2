/** kdelay(1), from the option table and the command line's own help. */
import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { createProgram } from '../src/cli/program.js';
import { exitStatuses } from '../src/errors.js';
import { captureOptions, optionGroups } from '../src/options/table.js';

export function manPage(): string {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
  const program = createProgram({ stdout: sink, stderr: sink } as never, null, () => undefined);
  const lines = [
    '.\\" Generated from src/options/table.ts by `npm run build:man`. Do not edit.',
    '.TH KDELAY 1 "" kdelay "User Commands"',
    '.SH NAME',
    'kdelay \\- tell whether the kernel is to blame for the delays of a process',
    '.SH SYNOPSIS',
    ...program.commands.flatMap((command) => [
      ...(command === program.commands[0] ? [] : ['.br']),
      `.B kdelay ${plain(command.name())}`,
      plain(command.usage()),
    ]),
    '.SH DESCRIPTION',
    plain(program.description().replaceAll('\n', ' ')),
    ...program.commands.flatMap((command) => [
      '.TP',
      `.B kdelay ${plain(command.name())}`,
      plain(command.description().replaceAll('\n', ' ')),
    ]),
  ];
  for (const [group, title] of Object.entries(optionGroups)) {
    lines.push(`.SH OPTIONS OF CAPTURE: ${title.toUpperCase()}`);
    for (const option of Object.values(captureOptions)) {
      if (option.group !== group) continue;
      const help = option.help === '' ? '' : ` ${option.help}`;
      lines.push(
        '.TP',
        `.B ${plain(option.flags)}`,
        plain(`${capitalized(option.description)}.${help}`),
        plain(`Values: ${option.range}. Default: ${option.defaultText}.`),
      );
    }
  }
  for (const command of program.commands.slice(1)) lines.push(...ownOptions(command));
  lines.push(
    '.SH EXIT STATUS',
    ...Object.entries(exitStatuses).flatMap(([status, meaning]) => [
      '.TP',
      `.B ${status}`,
      `${plain(capitalized(meaning))}.`,
    ]),
    '.SH EXAMPLES',
    '.EX',
    ...examples.map(plain),
    '.EE',
    '.SH SEE ALSO',
    plain(
      'The documentation comes with the package, in its folder docs: report.md on what each number means,',
    ),
    plain('triggers.md, stacks.md, containers.md, troubleshooting.md.'),
    '.BR perf (1),',
    '.BR strace (1)',
  );
  return `${lines.join('\n')}\n`;
}

function ownOptions(command: Command): string[] {
  if (command.options.length === 0) return [];
  return [
    `.SH OPTIONS OF ${command.name().toUpperCase()}`,
    ...command.options.flatMap((option) => [
      '.TP',
      `.B ${plain(option.flags)}`,
      `${plain(capitalized(option.description))}.`,
    ]),
  ];
}

const examples = [
  'kdelay capture -p 1234',
  'kdelay capture -n postgres --all -s 1000000',
  'kdelay capture -p 1234 --start-trigger up:f --stop-trigger ur:f',
  'kdelay capture --follow -- make -j4',
];

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Nothing in it is a request or an escape of roff, and what was code is bold no more. */
function plain(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('`', '');
  const ascii = escaped
    .replaceAll('’', "'")
    .replaceAll('“', '\\(lq')
    .replaceAll('”', '\\(rq')
    .replaceAll('…', '...');
  return /^[.']/.test(ascii) ? `\\&${ascii}` : ascii;
}
