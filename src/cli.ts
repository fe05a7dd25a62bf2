#!/usr/bin/env node
import { exitCodes } from './errors.js';
import { version } from './package.js';

// Help and version into a pager that was left early are no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exitCode = exitCodes.IO;
});
const args = process.argv.slice(2);
// Whoever asks for the version alone, as scripts do, need not wait for anything else to be loaded.
if (args.length === 1 && (args[0] === '-V' || args[0] === '--version')) {
  process.stdout.write(`${version}\n`);
} else {
  const { main } = await import('./cli/main.js');
  await main(args);
}
