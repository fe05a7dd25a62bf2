import { readFileSync } from 'node:fs';

/** The package's own folder: one up both from src/ and from dist/, where all of it is in files side by side. */
export const packageRoot = new URL('../', import.meta.url);

const manifest = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
  version: string;
};

export const version = manifest.version;
