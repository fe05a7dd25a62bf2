/** What is published beside the program: that its links lead somewhere, and its examples run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import test from 'ava';

const root = fileURLToPath(new URL('../', import.meta.url));
const manifest: { files: string[]; engines: { node: string } } = JSON.parse(
  readFileSync(`${root}package.json`, 'utf8'),
);

/** npm adds these three. */
const published = [...manifest.files, 'README.md', 'LICENSE', 'package.json'];
const isPublished = (file: string): boolean =>
  published.some((part) => file === part || file.startsWith(`${part}/`));

function markdownIn(part: string): string[] {
  if (part.endsWith('.md')) return [part];
  if (part === 'dist' || path.extname(part) !== '' || part === 'LICENSE') return [];
  return readdirSync(`${root}${part}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `${part}/${file}`);
}

const pages = published.flatMap(markdownIn).sort();
const read = (page: string): string => readFileSync(`${root}${page}`, 'utf8');

/** As GitHub and npm make them of headings. */
function anchors(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('the pages that are published are found', (t) => {
  for (const page of ['README.md', 'CHANGELOG.md', 'docs/api.md', 'bench/README.md'])
    t.true(pages.includes(page), page);
});

function whatIsWrongWith(link: string, page: string): string[] {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : path.normalize(path.join(path.dirname(page), file));
  if (!existsSync(`${root}${target}`)) return [`${link}: there is no such file`];
  if (!isPublished(target)) return [`${link}: it is not published`];
  if (anchor !== undefined && !anchors(target).includes(anchor)) return [`${link}: there is no such heading`];
  return [];
}

test('a link that leads nowhere is found', (t) => {
  t.deepEqual(whatIsWrongWith('nowhere.md', 'docs/api.md'), ['nowhere.md: there is no such file']);
  t.deepEqual(whatIsWrongWith('../Cargo.toml', 'docs/api.md'), ['../Cargo.toml: it is not published']);
  t.deepEqual(whatIsWrongWith('report.md#nothing', 'docs/api.md'), [
    'report.md#nothing: there is no such heading',
  ]);
  t.deepEqual(whatIsWrongWith('#the-report', 'docs/api.md'), []);
});

for (const page of pages) {
  test(`links of ${page} lead to what is published`, (t) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    t.deepEqual(
      links.filter((link) => !/^[a-z]+:/.test(link)).flatMap((link) => whatIsWrongWith(link, page)),
      [],
    );
  });

  test(`${page} names no package that does not exist`, (t) => {
    t.notRegex(read(page), /@kdelay\/native(?!-linux)/);
  });
}

/** Indented by four spaces, as all examples are. */
function examples(text: string): string[] {
  return [...text.matchAll(/(?:^ {4}.*\n(?:\n(?= {4}))?)+/gm)]
    .map(([block]) => block)
    .filter((block) => /^ {4}(import|const|await) /m.test(block));
}

/** What Node.js 20 knows of the language. */
const ecmaVersion = 2023;

test('examples in JavaScript run on the oldest Node.js', (t) => {
  t.is(manifest.engines.node, '>=20');
  const found = pages.flatMap((page) => examples(read(page)));
  t.true(found.length > 0);
  for (const example of found)
    t.notThrows(() => parse(example, { ecmaVersion, sourceType: 'module' }), example);
});

test('an example that only newer ones run is refused', (t) => {
  const newer = examples('It is:\n\n    await using session = await open();\n');
  t.is(newer.length, 1);
  t.throws(() => parse(newer[0] ?? '', { ecmaVersion, sourceType: 'module' }));
});
