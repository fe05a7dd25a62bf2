/** Gives everything another version: `bump.ts VERSION DATE`. What the change log has under "Unreleased" becomes that version's. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const [to, date] = process.argv.slice(2);
if (to === undefined || date === undefined) throw new Error('which version, of which date?');
const { version: from } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };

/** Puts `instead` where `pattern` matches, as often as is expected and no other. */
function replace(file: string, pattern: RegExp, instead: string, times = 1): void {
  const text = readFileSync(root + file, 'utf8');
  const found = text.match(pattern)?.length ?? 0;
  if (found !== times) throw new Error(`${file}: ${pattern} is there ${found} times, not ${times}`);
  writeFileSync(root + file, text.replace(pattern, instead));
}

const old = from.replaceAll('.', '\\.');
const ofManifest = new RegExp(`(?<=^  "version": ")${old}(?=",$)`, 'gm');
for (const folder of ['', ...readdirSync(`${root}npm`).map((name) => `npm/${name}/`)])
  replace(`${folder}package.json`, ofManifest, to);
// Its own, twice; packages that it lists are of no concern.
replace('package-lock.json', ofManifest, to);
replace(
  'package-lock.json',
  new RegExp(`(?<=^ {6}"name": "kdelay",\\n {6}"version": ")${old}(?=",$)`, 'gm'),
  to,
);

replace('Cargo.toml', new RegExp(`(?<=^\\[workspace\\.package\\]\\nversion = ")${old}(?="$)`, 'gm'), to);
const members = readdirSync(`${root}crates`);
// Those from a registry say so.
const ofMembers = (names: readonly string[]) =>
  new RegExp(`(?<=^name = "(?:${names.join('|')})"\\nversion = ")${old}(?="\\n(?!source))`, 'gm');
replace('Cargo.lock', ofMembers(members), to, members.length);
const fuzzed =
  readFileSync(`${root}fuzz/Cargo.toml`, 'utf8').match(/(?<=path = "\.\.\/crates\/)[^"]+/g) ?? [];
replace('fuzz/Cargo.lock', ofMembers(fuzzed), to, fuzzed.length);

replace('CHANGELOG.md', /^## Unreleased$/gm, `## ${to} (${date})`);
