/** What a hosted CI runs, as far as it can be known without one. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'ava';

const require = createRequire(import.meta.url);
const { load } = createRequire(require.resolve('json-schema-to-typescript'))('js-yaml') as {
  load(text: string): Workflow;
};

interface Job {
  permissions?: Record<string, string>;
  steps: Array<{ uses?: string; run?: string }>;
}
interface Workflow {
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const folder = new URL('../.github/workflows/', import.meta.url);
const files = readdirSync(folder);

test('there is one that tests and one that releases', (t) => {
  t.deepEqual(files.sort(), ['ci.yml', 'release.yml']);
});

for (const file of files) {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const workflow = load(text);
  const jobs = Object.values(workflow.jobs);
  const steps = jobs.flatMap((job) => job.steps);

  test(`${file} may read alone, if not told otherwise, and knows no secrets`, (t) => {
    t.deepEqual(workflow.permissions, { contents: 'read' });
    t.notRegex(text, /\bsecrets\./);
  });

  test(`${file} takes actions by major version`, (t) => {
    for (const { uses } of steps) if (uses !== undefined) t.regex(uses, /^actions\/[a-z-]+@v\d+$/);
  });

  test(`${file} runs scripts that there are`, (t) => {
    const scripts = steps.flatMap(({ run }) => run?.match(/(?<=\bbash )[\w./-]+/g) ?? []);
    t.true(scripts.length > 0);
    for (const script of scripts) t.notThrows(() => readFileSync(new URL(`../${script}`, import.meta.url)));
  });

  test(`${file} lets nothing that it is told into a script's text`, (t) => {
    for (const { run } of steps) t.notRegex(run ?? '', /\$\{\{/);
  });
}

test('npm is told where a release was built', (t) => {
  const { jobs } = load(readFileSync(new URL('release.yml', folder), 'utf8'));
  t.deepEqual(jobs['release']?.permissions, { contents: 'write', 'id-token': 'write' });
});
