import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const root = fileURLToPath(new URL('../', import.meta.url));
const { floors }: { floors: string[][] } = await import(`${root}scripts/floors.mjs`);

interface Cruise {
  modules: Array<{ source: string }>;
  summary: { violations: Array<{ from: string; to: string; rule: { name: string } }> };
}

/** What the check says of the sources in `folder`, as `npm run check:imports` runs it. */
function cruise(folder: string): Promise<Cruise> {
  const args = ['--config', `${root}scripts/floors.mjs`, '--output-type', 'json', 'src'];
  return new Promise((resolve, reject) => {
    execFile(
      `${root}node_modules/.bin/depcruise`,
      args,
      { cwd: folder, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        // Violations have an exit code other than 0 as well.
        if (stdout === '') reject(new Error(`${error?.message}\n${stderr}`));
        else resolve(JSON.parse(stdout));
      },
    );
  });
}

/** The sources, with an import added to one of them. */
async function violationsWith(t: ExecutionContext, file: string, line: string): Promise<string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'kdelay-floors-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await cp(`${root}src`, path.join(folder, 'src'), { recursive: true });
  const changed = path.join(folder, file);
  await writeFile(changed, `${line}\n${await readFile(changed, 'utf8')}`);
  const { summary } = await cruise(folder);
  return summary.violations
    .filter(({ rule }) => rule.name !== 'every-import-is-found')
    .map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`);
}

test('every import of src goes down, and each file of it is looked at', async (t) => {
  const { modules, summary } = await cruise(root);
  t.deepEqual(summary.violations, []);
  const seen = modules.map(({ source }) => source).filter((source) => source.startsWith('src/'));
  const files = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' });
  const sources = files.filter((name) => name.endsWith('.ts')).map((name) => `src/${name}`);
  t.deepEqual(seen.sort(), sources.sort());
});

const wrong: ReadonlyArray<readonly [title: string, file: string, line: string, expected: string]> = [
  [
    'a climbing import',
    'src/report/order.ts',
    "import { native } from '../session/session.js';",
    'report-imports-only-from-below: src/report/order.ts -> src/session/session.ts',
  ],
  [
    'a climbing import of a type alone',
    'src/units.ts',
    "import type { Options } from './report/types.js';",
    'units-imports-only-from-below: src/units.ts -> src/report/types.ts',
  ],
  [
    'a climbing import at run time',
    'src/native/errors.ts',
    "void import('../cli/run.js');",
    'native-imports-only-from-below: src/native/errors.ts -> src/cli/run.ts',
  ],
  [
    'an import from a neighbour',
    'src/formats/format.ts',
    "import type { StopReason } from '../session/session.js';",
    'formats-imports-only-from-below: src/formats/format.ts -> src/session/session.ts',
  ],
  [
    'an import that climbs inside of the command line',
    'src/cli/terminal/streams.ts',
    "import type { run } from '../run.js';",
    'cli-imports-only-from-below: src/cli/terminal/streams.ts -> src/cli/run.ts',
  ],
  [
    'a circle inside of a room',
    'src/report/order.ts',
    "import type { toThread } from './threads.js';",
    'no-circles: src/report/order.ts -> src/report/threads.ts',
  ],
];

for (const [title, file, line, expected] of wrong) {
  test(`${title} is refused by its name`, async (t) => {
    const violations = await violationsWith(t, file, line);
    t.true(violations.includes(expected), violations.join('\n'));
  });
}

test('ARCHITECTURE.md has the same floors', async (t) => {
  const page = await readFile(`${root}ARCHITECTURE.md`, 'utf8');
  const rows = [...page.matchAll(/^\| (\d) \| `src\/([a-z]+)(?:\.ts)?` \|/gm)];
  const listed = floors.map((_, index) =>
    rows.filter(([, floor]) => Number(floor) === index + 1).map(([, , room]) => room),
  );
  t.deepEqual(listed, floors);
});
