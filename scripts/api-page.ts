/** docs/api.md: what `import … from 'kdelay'` brings, as its sources document it. */
import { fileURLToPath } from 'node:url';
import { type ExportedDeclarations, type JSDocableNode, Node, Project, type SourceFile } from 'ts-morph';

const root = fileURLToPath(new URL('../', import.meta.url));

export function apiPage(): string {
  const project = new Project({
    tsConfigFilePath: `${root}tsconfig.json`,
    skipAddingFilesFromTsConfig: true,
  });
  const index = project.addSourceFileAtPath(`${root}src/index.ts`);
  project.resolveSourceFileDependencies();
  const exported = [...index.getExportedDeclarations()].flatMap(([name, declarations]) =>
    declarations.slice(0, 1).map((declaration) => ({ name, declaration })),
  );
  const isOfReport = ({ declaration }: { declaration: ExportedDeclarations }) =>
    declaration.getSourceFile().getBaseName() === 'types.ts';
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const own = exported.filter((entry) => !isOfReport(entry)).sort(byName);
  const report = exported.filter(isOfReport).sort(byName);
  const lines = [
    '<!-- Generated from src/index.ts by `npm run build:api`. Do not edit. -->',
    '# API',
    '',
    description(index),
    '',
    'See [examples/ten-samples.ts](../examples/ten-samples.ts) for a program that uses it. Numbers follow one rule:',
    '',
    '- lengths of time, in ns, counts, sizes and ids are numbers: below 2^53, which as ns are 104 days (sums over threads may be beyond,',
    '  and are then the nearest number);',
    '- points in time are strings, since they do not fit a number: of `CLOCK_MONOTONIC` decimal ns, of the wall clock ISO 8601;',
    '- 64 bits that are no quantity are strings: addresses and arguments hexadecimal, results signed decimals;',
    '- what is unknown, or is not there, is null: never 0, and never undefined. Process and thread ids alone are 0 where there is no task, or none in this pid namespace.',
    ...own.flatMap(section),
    '',
    '## The report',
    '',
    'These types are made from [schema/kdelay-1.schema.json](../schema/kdelay-1.schema.json).',
    ...report.flatMap(section),
  ];
  return `${lines.join('\n').replaceAll(/\n{3,}/g, '\n\n')}\n`;
}

function description(file: SourceFile): string {
  const [comment] = file.getStatementsWithComments()[0]?.getLeadingCommentRanges() ?? [];
  return oneLine(comment?.getText().replaceAll(/^\/\*\*|\*\/$/g, '') ?? '');
}

function section({ name, declaration }: { name: string; declaration: ExportedDeclarations }): string[] {
  const lines = ['', `### \`${name}\``, '', docOf(declaration), ''];
  if (Node.isClassDeclaration(declaration)) {
    const base = declaration.getExtends();
    if (base !== undefined) lines.push(`Extends \`${base.getText()}\`.`, '');
    for (const member of declaration.getMembers()) {
      const isPrivate = 'getName' in member && String(member.getName()).startsWith('#');
      if (isPrivate || (Node.isConstructorDeclaration(member) && member.getScope() === 'private')) continue;
      lines.push(...entry(member));
    }
  } else if (Node.isInterfaceDeclaration(declaration)) {
    const bases = declaration.getExtends().map((base) => `\`${base.getText()}\``);
    if (bases.length > 0) lines.push(`Extends ${bases.join(', ')}.`, '');
    for (const member of [...declaration.getProperties(), ...declaration.getMethods()])
      lines.push(...entry(member));
  } else if (Node.isFunctionDeclaration(declaration)) {
    lines.push('```ts', signature(declaration), '```');
  } else if (Node.isVariableDeclaration(declaration)) {
    lines.push('```ts', `const ${name}: ${shortType(declaration.getType().getText(declaration))}`, '```');
  } else {
    lines.push('```ts', withoutDoc(declaration.getText()).replace(/^export /, ''), '```');
  }
  return lines;
}

function entry(member: Node): string[] {
  const doc = docOf(member);
  return [`- \`${signature(member)}\``, ...(doc === '' ? [] : [`  ${doc}`])];
}

/** Without its body. */
function signature(node: Node): string {
  const text = withoutDoc(node.getText()).replace(/^export /, '');
  const body = Node.isBodyable(node) ? node.getBody() : undefined;
  const end = body === undefined ? text.length : text.lastIndexOf(body.getText());
  return oneLine(text.slice(0, end)).replace(/[;=\s]+$/, '');
}

const withoutDoc = (text: string): string => text.replace(/^\/\*\*[\s\S]*?\*\/\s*/, '');
const shortType = (text: string): string => text.replaceAll(/import\("[^"]*"\)\./g, '');
const oneLine = (text: string): string => text.replaceAll(/\s*\n[\s*]*/g, ' ').trim();

function docOf(node: Node): string {
  const holder = Node.isVariableDeclaration(node) ? node.getVariableStatement() : node;
  if (holder === undefined || !Node.isJSDocable(holder)) return '';
  const docs = (holder as unknown as JSDocableNode).getJsDocs();
  return docs.map((doc) => oneLine(doc.getDescription())).join(' ');
}
