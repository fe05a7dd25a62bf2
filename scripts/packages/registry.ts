/**
 * An npm registry that knows of no other, for what is about to be published: `registry.ts FOLDER`, with verdaccio in
 * target/verdaccio. Keeps what it is given in that folder, and prints its address once it listens.
 */
import { writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.argv[2];
if (folder === undefined) throw new Error('which folder?');
const config = join(folder, 'config.yaml');
writeFileSync(
  config,
  `storage: ${join(folder, 'storage')}
auth: { htpasswd: { file: ${join(folder, 'htpasswd')} } }
uplinks: {}
packages: { '**': { access: $all, publish: $all } }
web: { enable: false }
log: { type: file, path: ${join(folder, 'log')}, level: info, format: json }
`,
);

const require = createRequire(fileURLToPath(new URL('../../target/verdaccio/package.json', import.meta.url)));
const { runServer } = require('verdaccio') as { runServer(config: string): Promise<Server> };
const server = await runServer(config);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/\n`);
});
