/**
 * Takes ten samples of a process, half a second each, and prints for each the thread that waited longest for a CPU.
 *
 *     sudo npx tsx examples/ten-samples.ts PID
 */
import { CaptureSession, KdelayError, type Thread } from 'kdelay';

const pid = Number(process.argv[2]);

try {
  // Loads and attaches the probes; they stay attached between the samples and are detached by close().
  const session = await CaptureSession.open({ pid });
  try {
    for (let taken = 0; taken < 10 && session.targetsAlive; taken++) {
      const sample = await session.sample(0.5);
      const worst = longestReady(sample.threads);
      console.log(`sample ${sample.index}: ${worst === undefined ? 'no threads' : describe(worst)}`);
      // A sample says what it lacks: never trust numbers without a look at this.
      if (sample.losses.threadsUntracked > 0)
        console.warn(`${sample.losses.threadsUntracked} threads are missing`);
    }
  } finally {
    await session.close();
  }
} catch (error) {
  if (!(error instanceof KdelayError)) throw error;
  console.error(`${error.code}: ${error.message}${error.hint === null ? '' : `\n${error.hint}`}`);
  process.exitCode = error.exitCode;
}

function longestReady(threads: readonly Thread[]): Thread | undefined {
  return [...threads].sort((a, b) => b.ready.totalNs - a.ready.totalNs)[0];
}

/** JSON.stringify, because a thread may put anything in its name. */
function describe({ comm, tid, ready }: Thread): string {
  return `thread ${tid} ${JSON.stringify(comm)} was ready ${ready.count} times, ${ready.totalNs} ns in all`;
}
