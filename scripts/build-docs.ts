/**
 * Writes the generated files: src/report/types.ts from the schema, docs/options.md and man/kdelay.1 from the option table, docs/api.md
 * from the sources, docs/kernels.md
 * from what scripts/test-kernels found on each kernel. `types`, `docs`, `api`, `man` or `kernels` writes one of them; `check` writes nothing and fails if one is out of date.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { exitCodes, exitStatuses } from '../src/errors.js';
import { captureOptions, optionGroups } from '../src/options/table.js';
import { apiPage } from './api-page.js';
import { manPage } from './man-page.js';

const root = new URL('../', import.meta.url);

async function reportTypes(): Promise<string> {
  const schema = JSON.parse(await readFile(new URL('schema/kdelay-1.schema.json', root), 'utf8'));
  const text = await compile(schema, 'Report', {
    additionalProperties: false,
    bannerComment: '/* Generated from schema/kdelay-1.schema.json by `npm run build:types`. Do not edit. */',
    cwd: fileURLToPath(new URL('schema/', root)),
    style: { singleQuote: true, printWidth: 110 },
    unreachableDefinitions: true,
  });
  // The compiler's remark on where a definition came from says nothing that the name does not.
  return text.replaceAll(/\n \*\n \* This interface was referenced by [^\n]*\n \* via the [^\n]*/g, '');
}

async function optionsPage(): Promise<string> {
  const lines = [
    '<!-- Generated from src/options/table.ts by `npm run build:docs`. Do not edit. -->',
    '# Options of `kdelay capture`',
    '',
    '`kdelay capture [options] [-- command …]`',
  ];
  for (const [group, title] of Object.entries(optionGroups)) {
    lines.push('', `## ${title}`);
    for (const option of Object.values(captureOptions)) {
      if (option.group !== group) continue;
      lines.push('', `### \`${option.flags}\``, '', `${option.description}.`);
      if (option.help !== '') lines.push('', option.help);
      lines.push(
        '',
        `- type: ${option.type}`,
        `- range: ${option.range}`,
        `- default: ${option.defaultText}`,
      );
    }
  }
  lines.push(
    '',
    '## Exit codes',
    '',
    '| code | meaning | `code` of a `KdelayError` |',
    '| --- | --- | --- |',
  );
  for (const [status, meaning] of Object.entries(exitStatuses)) {
    const codes = Object.entries(exitCodes).filter(([, exitCode]) => exitCode === Number(status));
    lines.push(`| ${status} | ${meaning} | ${codes.map(([code]) => `\`${code}\``).join(', ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

interface KernelFacts {
  version: string;
  kernel: string;
  arch: string;
  capable: boolean;
  /** By test program; null: it broke off. */
  tests: Record<string, { passed: number; failed: number } | null>;
  checks: Array<{ name: string; status: 'ok' | 'degraded' | 'failed'; detail: string }>;
}

/** What a kernel says to one check of `kdelay doctor`, whose details of features begin with yes or no. */
function has(facts: KernelFacts, name: string): boolean {
  const found = facts.checks.find((check) => check.name === name);
  if (found === undefined) throw new Error(`docs/kernels.json: ${facts.kernel} has no check '${name}'`);
  return name.startsWith('feature ') ? found.detail === 'yes' : found.status === 'ok';
}

function everyProbe(facts: KernelFacts, detail: string): boolean {
  return facts.checks
    .filter(({ name }) => name.startsWith('probe '))
    .every((check) => check.detail === detail);
}

const yesOrNo = (value: boolean): string => (value ? 'yes' : 'no');

const feature =
  (name: string) =>
  (facts: KernelFacts): string =>
    yesOrNo(has(facts, `feature ${name}`));

const kernelRows: ReadonlyArray<readonly [title: string, cell: (facts: KernelFacts) => string]> = [
  ['`kdelay capture` works', ({ capable }) => yesOrNo(capable)],
  ['BTF', (facts) => yesOrNo(has(facts, 'BTF'))],
  ['`tp_btf`, of every probe', (facts) => yesOrNo(everyProbe(facts, 'tp_btf'))],
  ['`raw_tp`', feature('raw_tp')],
  ['ring buffer', feature('ring buffer')],
  ['fetching atomics', feature('atomic fetch')],
  ['`prev_state` argument of `sched_switch`', feature('prev_state')],
  ['recursion misses counted', feature('recursion misses')],
  ['registers of other tasks', feature('task registers')],
  ['tracepoints', feature('tracepoints')],
  ['kprobes', feature('kprobes')],
  ['uprobes', feature('uprobes')],
  ['`ref_ctr_offset`', feature('ref_ctr_offset')],
  ['module BTF', feature('module BTF')],
];

function testsPassed({ tests }: KernelFacts, program: string): string {
  const result = tests[program];
  return result == null ? 'broke off' : `${result.passed} of ${result.passed + result.failed}`;
}

async function kernelsPage(): Promise<string> {
  const kernels: KernelFacts[] = JSON.parse(await readFile(new URL('docs/kernels.json', root), 'utf8'));
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const programs = new Set(kernels.flatMap(({ tests }) => Object.keys(tests)));
  const consequences = new Set(
    kernels
      .flatMap(({ checks }) => checks)
      .filter(({ name, status }) => name.startsWith('feature ') && status === 'degraded')
      .map(({ name, detail }) => `- no ${name.slice('feature '.length)}: ${detail.split('; ').at(-1)}`),
  );
  const lines = [
    '<!-- Generated from docs/kernels.json by `npm run build:kernels`. Do not edit. -->',
    '# Kernels',
    '',
    'What `kdelay doctor` found on Debian’s cloud kernels, each feature tried there, and how many of the native module’s tests',
    'passed. `npm run test:kernels -- --write` runs all of it again, under qemu, and rewrites this page.',
    '',
    row(['', ...kernels.map(({ version }) => (version === 'newest' ? 'newest' : `Linux ${version}`))]),
    row(['---', ...kernels.map(() => '---')]),
    row(['release', ...kernels.map(({ kernel }) => kernel)]),
    row(['machine', ...kernels.map(({ arch }) => arch)]),
    ...kernelRows.map(([title, cell]) => row([title, ...kernels.map(cell)])),
    ...[...programs].map((program) =>
      row([`tests passed, \`${program}\``, ...kernels.map((facts) => testsPassed(facts, program))]),
    ),
  ];
  if (consequences.size > 0) lines.push('', 'What is missing costs:', '', ...consequences);
  return `${lines.join('\n')}\n`;
}

export interface GeneratedFile {
  name: string;
  path: string;
  render: () => Promise<string>;
}

export const generatedFiles: readonly GeneratedFile[] = [
  { name: 'types', path: 'src/report/types.ts', render: reportTypes },
  { name: 'docs', path: 'docs/options.md', render: optionsPage },
  { name: 'api', path: 'docs/api.md', render: async () => apiPage() },
  { name: 'man', path: 'man/kdelay.1', render: async () => manPage() },
  { name: 'kernels', path: 'docs/kernels.md', render: kernelsPage },
];

async function main(task: string | undefined): Promise<number> {
  if (task === 'check') {
    let stale = 0;
    for (const { name, path, render } of generatedFiles) {
      const current = await readFile(new URL(path, root), 'utf8').catch(() => null);
      if (current === (await render())) continue;
      console.error(`${path} is out of date: run npm run build:${name}`);
      stale = 1;
    }
    return stale;
  }
  const file = generatedFiles.find(({ name }) => name === task);
  if (file === undefined) {
    console.error('usage: build-docs.ts types|docs|api|man|kernels|check');
    return 64;
  }
  const url = new URL(file.path, root);
  await mkdir(new URL('./', url), { recursive: true });
  await writeFile(url, await file.render());
  console.error(`wrote ${file.path}`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv[2]);
