/**
 * How long an installed kdelay takes to start: `start-times.mjs FOLDER ROUNDS`, with kdelay-oracle in that folder. Alternates, and
 * prints medians: the machines that this runs on are shared, and their speed drifts.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [folder, rounds] = [process.argv[2], Number(process.argv[3])];

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** Milliseconds. */
function timed(program, args) {
  const begun = process.hrtime.bigint();
  const { status } = spawnSync(program, args);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${status}`);
  return Number(process.hrtime.bigint() - begun) / 1e6;
}

/** From the start of the program to the opening of its first window, when every probe is attached. */
function untilOpen() {
  const report = `${folder}/start.json`;
  const begun = process.hrtime.bigint();
  const { status } = spawnSync(
    'kdelay',
    ['capture', '--format', 'json', '--output', report, '--', `${folder}/kdelay-oracle`, 'counts', '1'],
    { input: 'go\nend\n' },
  );
  if (status !== 0) throw new Error(`kdelay capture: exit code ${status}`);
  const opened = BigInt(JSON.parse(readFileSync(report, 'utf8')).samples[0].start.monotonicNs);
  return Number(opened - begun) / 1e6;
}

const versions = [];
const nodes = [];
// The first round fills the page cache and is not counted.
for (let round = 0; round <= rounds; round++) {
  const bare = timed(process.execPath, ['-e', '0']);
  const version = timed('kdelay', ['--version']);
  if (round === 0) continue;
  nodes.push(bare);
  versions.push(version);
}
const ratio = median(versions.map((version, index) => version / nodes[index]));
const opened = median(Array.from({ length: 7 }, untilOpen));
process.stdout.write(
  `kdelay --version takes ${median(versions).toFixed(0)} ms, node -e 0 ${median(nodes).toFixed(0)} ms: ` +
    `${ratio.toFixed(2)} times as long (${rounds} pairs); kdelay capture has its probes attached after ${opened.toFixed(0)} ms\n`,
);
