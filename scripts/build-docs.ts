/**
 * Writes the generated files: src/report/types.ts from the schema, docs/options.md from the option table.
 * `types` or `docs` writes one of them; `check` writes nothing and fails if one is out of date.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { captureOptions, optionGroups } from '../src/options.js';

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
    '<!-- Generated from src/options.ts by `npm run build:docs`. Do not edit. -->',
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
    console.error('usage: build-docs.ts types|docs|check');
    return 64;
  }
  const url = new URL(file.path, root);
  await mkdir(new URL('./', url), { recursive: true });
  await writeFile(url, await file.render());
  console.error(`wrote ${file.path}`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv[2]);
