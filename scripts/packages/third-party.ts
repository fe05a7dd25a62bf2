/** The licenses of what the packages contain of others, in full, as most of them ask. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Part {
  name: string;
  version: string;
  /** SPDX. */
  license: string;
  /** Where its license files are. */
  folder: string;
}

/** Of the packages whose files are in the bundle. `inputs`: those files, relative to the project's folder. */
export function npmParts(root: string, inputs: readonly string[]): Part[] {
  const folders = new Set(
    inputs.flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []),
  );
  return [...folders].sort().map((folder) => {
    const path = join(root, folder);
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    return { name, version, license, folder: path };
  });
}

interface Metadata {
  packages: Array<{
    id: string;
    name: string;
    version: string;
    license: string | null;
    manifest_path: string;
  }>;
  workspace_members: string[];
  resolve: {
    nodes: Array<{ id: string; deps: Array<{ pkg: string; dep_kinds: Array<{ kind: string | null }> }> }>;
  };
}

/** Of the crates that are linked into the native module, or into the programs that it loads. */
export function cargoParts(root: string, target: string): Part[] {
  const text = execFileSync(
    'cargo',
    ['metadata', '--format-version=1', '--locked', '--filter-platform', target, '--features', 'loader/node'],
    { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  const { packages, workspace_members: own, resolve } = JSON.parse(text) as Metadata;
  const byId = new Map(packages.map((crate) => [crate.id, crate]));
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const roots = own.filter((id) => ['loader', 'bpf-probes'].includes(byId.get(id)?.name ?? ''));
  const linked = new Set<string>();
  for (const queue = [...roots]; queue.length > 0; ) {
    const id = queue.pop() as string;
    if (linked.has(id)) continue;
    linked.add(id);
    for (const { pkg, dep_kinds } of nodes.get(id)?.deps ?? []) {
      if (dep_kinds.some(({ kind }) => kind === null)) queue.push(pkg);
    }
  }
  return [...linked]
    .filter((id) => !own.includes(id))
    .map((id) => byId.get(id))
    .filter((crate) => crate !== undefined)
    .map(({ name, version, license, manifest_path }) => ({
      name,
      version,
      license: license ?? 'unknown',
      folder: dirname(manifest_path),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Throws where there is no license to be found. Equal texts are there once. */
export function notices(parts: readonly Part[]): string {
  const byText = new Map<string, string[]>();
  const list: string[] = [];
  for (const { name, version, license, folder } of parts) {
    list.push(`- ${name} ${version}: ${license}`);
    // Files, or a folder of them.
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file) && statSync(join(folder, file)).isFile())
      .filter((file) => !/\.(js|ts|rs|json)$/.test(file));
    for (const file of files.sort()) {
      const path = join(folder, file);
      const text = readFileSync(path, 'utf8').trim();
      byText.set(text, [...(byText.get(text) ?? []), `${name} ${version}`]);
    }
    if (files.length === 0 && !existsSync(join(folder, 'README.md')))
      throw new Error(`${name} ${version}: no license file in ${folder}`);
  }
  const texts = [...byText].map(([text, names]) => `## ${names.join(', ')}\n\n${text}\n`);
  return ['# What others have written', '', ...list, '', ...texts].join('\n');
}
