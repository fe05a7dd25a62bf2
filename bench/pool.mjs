// A process of many threads: each of libuv's pool reads a byte of /dev/zero, again and again, in the protocol of
// `kdelay-oracle loop`. Plain JavaScript, so that nothing else is loaded.
import { openSync, read } from 'node:fs';
import { createInterface } from 'node:readline';

const threads = Number(process.env.UV_THREADPOOL_SIZE);
const zero = openSync('/dev/zero', 'r');
const byte = Buffer.alloc(1);
// Finished reads come in as many at a time as there are threads: only several times that many are told from no time at all.
const batchReads = Math.max(256, 4 * threads);

/** Keeps every thread reading; resolves with the ns of an operation in the fastest tenth of the batches, and all reads. */
function slice(milliseconds) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const batchNs = [];
    let [reads, inFlight, last] = [0, 0, begun];
    const next = () => {
      inFlight++;
      read(zero, byte, 0, 1, null, done);
    };
    const done = (error) => {
      if (error) return reject(error);
      inFlight--;
      reads++;
      const now = performance.now();
      if (reads % batchReads === 0) {
        batchNs.push(((now - last) * 1e6) / batchReads);
        last = now;
      }
      if (now - begun < milliseconds || batchNs.length === 0) return next();
      if (inFlight > 0) return;
      batchNs.sort((a, b) => a - b);
      const medianNsPerOp = batchNs[Math.floor(batchNs.length / 2)];
      resolve({
        p10NsPerOp: batchNs[Math.floor(batchNs.length / 10)],
        medianNsPerOp,
        batches: batchNs.length,
        batchesAtMedian: batchNs.filter((ns) => ns === medianNsPerOp).length,
        syscalls: { read: reads },
      });
    };
    for (let thread = 0; thread < threads; thread++) next();
  });
}

// The pool's threads are born with its first work, and code is compiled as it runs often.
await slice(200);
console.log(JSON.stringify({ pid: process.pid }));
for await (const line of createInterface({ input: process.stdin })) {
  const milliseconds = /^slice (\d+)$/.exec(line)?.[1];
  if (milliseconds === undefined) break;
  console.log(JSON.stringify(await slice(Number(milliseconds))));
}
process.exit(0);
