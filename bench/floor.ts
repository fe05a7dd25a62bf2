/** The programs in C of floor/, in their variants. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { total } from './counts.js';
import { startProgram } from './program.js';
import type { Calls, Started, Tracer } from './tracer.js';

const folder = fileURLToPath(new URL('../target/bench/', import.meta.url));

export function floor(variant: string, what: string, everywhere = true): Tracer {
  const start = (pid: number) => startFloor(variant, pid);
  return { name: variant, what, everywhere, attach: start, start, verify: verifyWith(start) };
}

async function startFloor(variant: string, pid: number): Promise<Started> {
  const program = await startProgram(`${folder}floor`, [`${folder}floor.bpf.o`, variant, String(pid)], {
    ready: /^attached$/m,
  });
  return {
    pid: program.pid,
    printed: program.printed,
    attachedMs: program.readyMs,
    async detach() {
      await program.end();
      return null;
    },
  };
}

const statistics = '/proc/sys/kernel/bpf_stats_enabled';

/** Its programs say nothing, so the kernel's own statistics tell whether they ran; these cost, hence not while measuring. */
function verifyWith(start: (pid: number) => Promise<Started>) {
  return async (pid: number, work: () => Promise<Calls>) => {
    const before = readFileSync(statistics, 'utf8');
    writeFileSync(statistics, '1');
    try {
      const started = await start(pid);
      const made = total(await work());
      const runs = timesRun(started.pid);
      await started.detach(null);
      if (runs < 2 * made) throw new Error(`the floor’s programs ran ${runs} times for ${made} calls`);
    } finally {
      writeFileSync(statistics, before);
    }
  };
}

/** Of all programs that a process has loaded. */
function timesRun(pid: number): number {
  const runs = new Map<string, number>();
  for (const descriptor of readdirSync(`/proc/${pid}/fdinfo`)) {
    const text = readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8');
    const id = /^prog_id:\s+(\d+)$/m.exec(text)?.[1];
    const count = /^run_cnt:\s+(\d+)$/m.exec(text)?.[1];
    // The links to a program name it too, without what it did.
    if (id !== undefined && count !== undefined) runs.set(id, Number(count));
  }
  return [...runs.values()].reduce((sum, count) => sum + count, 0);
}
