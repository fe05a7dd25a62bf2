/** All figures, on stdout; with --write also into README.md. Run by scripts/bench, which brings what it needs. */
import { bodies, getppid } from './load.js';
import { writeInto } from './marked.js';
import { measureOverhead, type Overhead } from './overhead.js';
import { measureOwnCpu } from './own-cpu.js';
import { parsePlan, servers } from './plan.js';
import { measureRate } from './rate.js';
import { measureServer, type ServerOverhead } from './server.js';
import { measureStartUp } from './start-up.js';
import { markdown } from './table.js';
import { usable } from './usable.js';

// Where it is set, Node.js takes twice as long to start as without: what a machine's owner adds is not what kdelay costs.
Reflect.deleteProperty(process.env, 'NODE_EXTRA_CA_CERTS');

const { rounds, loads, tracers: wanted, write } = parsePlan(process.argv.slice(2));
const { tracers, leftOut } = await usable(wanted, getppid);
const common = tracers.filter(({ everywhere }) => everywhere);

const overheads: Overhead[] = [];
for (const body of bodies) {
  if (loads.has(body.name))
    overheads.push(await measureOverhead(body, body.everyTracer ? tracers : common, rounds));
}
const overheadsOfServers: ServerOverhead[] = [];
for (const kind of servers) {
  if (loads.has(kind.name)) overheadsOfServers.push(await measureServer(kind, common, rounds));
}
const figures = markdown({
  rounds,
  overheads,
  servers: overheadsOfServers,
  rate: loads.has('rate') ? await measureRate(rounds) : null,
  ownCpu: loads.has('own-cpu') ? await measureOwnCpu(rounds) : null,
  startUps: loads.has('start-up') ? await measureStartUp(tracers, rounds) : [],
  tracers,
  leftOut,
});
process.stdout.write(`${figures}\n`);
if (write) writeInto(new URL('README.md', import.meta.url), 'figures', figures);
