/** kdelay itself, with one set of options or another. */
import { fileURLToPath } from 'node:url';
import type { CapturedSample } from '../src/report/events.js';
import { CaptureSession, type SessionOptions } from '../src/session/session.js';
import { startProgram } from './program.js';
import type { Attached, Calls, Started, Tracer } from './tracer.js';

export function kdelay(
  name: string,
  what: string,
  options: Partial<SessionOptions> = {},
  everywhere = false,
): Tracer {
  const attach = async (pid: number) => begin(await CaptureSession.open({ pid, ...options }), options);
  return { name, what, everywhere, attach };
}

const opener = fileURLToPath(new URL('open.mjs', import.meta.url));

/** As a program of its own, from the start of Node.js; says `attached` and the ms of that for opening. */
async function start(pid: number): Promise<Started> {
  const program = await startProgram(process.execPath, [opener, String(pid)], { ready: /^attached/m });
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

export const everythingOn: Tracer = {
  ...kdelay('kdelay', 'everything on: calls, run, ready, interrupts, histograms', {}, true),
  start,
};

/** What it costs to tell who ran or woke a thread. */
export const withoutWho = kdelay(
  'without who',
  'the same, without telling who ran instead of a thread and who woke it',
  { who: false },
  true,
);

function begin(session: CaptureSession, { syscallEvents }: Partial<SessionOptions>): Attached {
  session.start();
  return {
    async detach(made) {
      session.stop();
      const sample = await session.read();
      await session.close();
      if (made === null) return null;
      const calls = assertCounted(sample, made);
      if (syscallEvents === undefined || (syscallEvents.longerThanNs ?? 0) > 0) return null;
      const { eventsDropped, eventsOverLimit, stacksLost } = sample.losses;
      const lost = syscallEvents.stacks ? stacksLost : eventsDropped;
      return lost / Math.max(calls, sample.syscallEvents.length + eventsOverLimit + eventsDropped);
    },
  };
}

/** How many calls the load made. */
function assertCounted({ threads, losses }: CapturedSample, made: Calls): number {
  let all = 0;
  for (const [name, least] of Object.entries(made)) {
    const calls = threads.flatMap((thread) => thread.syscalls.filter((call) => call.name === name));
    const counted = calls.reduce((sum, { count }) => sum + count, 0);
    // What comes in between two slices is the load's own reading and writing, and its partner's calls.
    if (counted < least) throw new Error(`kdelay counted ${counted} of ${least} ${name}`);
    all += least;
  }
  if (losses.syscallsUntracked + losses.threadsUntracked > 0) throw new Error('kdelay lost events');
  return all;
}
