/**
 * Puts together what is published: `target/packages/kdelay`, and `target/packages/native-linux-PLATFORM` for each platform whose
 * module is in `npm/`. With platforms as arguments, of those only. Prints the folders, the one that is published last at the end.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cargoParts, notices, npmParts } from './third-party.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const out = join(root, 'target/packages');
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const manifest = json(join(root, 'package.json'));

const triples: Readonly<Record<string, string>> = {
  'x64-gnu': 'x86_64-unknown-linux-gnu',
  'x64-musl': 'x86_64-unknown-linux-musl',
  'arm64-gnu': 'aarch64-unknown-linux-gnu',
  'arm64-musl': 'aarch64-unknown-linux-musl',
};

function fresh(name: string): string {
  const folder = join(out, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

function write(folder: string, file: string, content: object | string): void {
  const text = typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`;
  writeFileSync(join(folder, file), text);
}

function stageNative(platform: string): string {
  const from = join(root, `npm/linux-${platform}`);
  const target = triples[platform];
  if (target === undefined)
    throw new Error(`no platform ${platform}: there are ${Object.keys(triples).join(', ')}`);
  const own = json(join(from, 'package.json'));
  if (!existsSync(join(from, own.main)))
    throw new Error(`npm/linux-${platform}/${own.main} is missing: run scripts/build-packages ${platform}`);
  if (own.version !== manifest.version) throw new Error(`npm/linux-${platform} is of version ${own.version}`);
  const folder = fresh(`native-linux-${platform}`);
  for (const file of [own.main, 'README.md']) cpSync(join(from, file), join(folder, file));
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  write(folder, 'THIRD-PARTY.md', notices(cargoParts(root, target)));
  const { repository } = manifest;
  write(folder, 'package.json', {
    ...own,
    ...(repository === undefined ? {} : { repository }),
    files: [...own.files, 'THIRD-PARTY.md'],
  });
  return folder;
}

function stageMain(): string {
  const folder = fresh('kdelay');
  for (const part of [...manifest.files, 'README.md', 'LICENSE'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  const { inputs } = json(join(root, 'target/packages/bundle.json')) as { inputs: Record<string, unknown> };
  write(folder, 'THIRD-PARTY.md', notices(npmParts(root, Object.keys(inputs))));
  // What only those who build it need stays here; what it needs to run is as new as itself.
  const { devDependencies, scripts, ava, napi, ...published } = manifest;
  const optionalDependencies = Object.fromEntries(
    Object.keys(triples)
      .sort()
      .map((platform) => [`${napi.packageName}-linux-${platform}`, manifest.version]),
  );
  write(folder, 'package.json', {
    ...published,
    files: [...published.files, 'THIRD-PARTY.md'],
    optionalDependencies,
  });
  return folder;
}

const platforms = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(triples);
for (const folder of [...platforms.map(stageNative), stageMain()]) process.stdout.write(`${folder}\n`);
