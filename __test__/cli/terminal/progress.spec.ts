import { mock } from 'node:test';
import test from 'ava';
import { createProgress } from '../../../src/cli/terminal/progress.js';
import { Collector } from '../../helpers/streams.js';

/** What a window of 2.5 s makes the progress write. */
function progressOf(
  isTTY: boolean,
  windowSeconds: number | null,
  startTrigger: string | null = null,
  columns = 200,
): { during: string; after: string } {
  const stderr = new Collector({ isTTY, columns });
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const progress = createProgress(stderr, { sampleCount: 10, sampleTime: windowSeconds, startTrigger });
    progress.windowOpened(1);
    mock.timers.tick(2500);
    const during = stderr.text;
    progress.windowClosed();
    const after = stderr.text.slice(during.length);
    mock.timers.tick(5000);
    return {
      during,
      after: stderr.text.length === during.length + after.length ? after : 'wrote after the window',
    };
  } finally {
    mock.timers.reset();
  }
}

test.serial('a long window on a terminal shows a line, and clears it', (t) => {
  const { during, after } = progressOf(true, 30);
  t.is(during.split('\r').length - 1, 2);
  t.regex(during, /kdelay: sample 2 of 10, \d+ s of 30 s; Ctrl-C ends it$/);
  t.is(after, '\r\x1b[K');
});

test.serial('a window that waits for its trigger says so, however short it will be', (t) => {
  t.regex(
    progressOf(true, 0.1, 'up:main').during,
    /sample 2 of 10, waiting for its trigger .*, \d+ s; Ctrl-C/,
  );
});

test.serial('an open-ended window shows no length', (t) => {
  t.regex(progressOf(true, null).during, /kdelay: sample 2 of 10, \d+ s; Ctrl-C ends it$/);
});

for (const [title, isTTY, seconds] of [
  ['without a terminal', false, 30],
  ['for a window of a second', true, 1],
] as const) {
  test.serial(`${title} it is silent`, (t) => {
    t.deepEqual(progressOf(isTTY, seconds), { during: '', after: '' });
  });
}

for (const [columns, longest] of [
  [40, 39],
  [80, 79],
  [0, 79],
] as const) {
  test.serial(`the line fits in a terminal of ${columns} columns`, (t) => {
    const { during } = progressOf(true, 0.1, 'up:main', columns);
    for (const line of during.split('\r\x1b[K').slice(1)) {
      t.is(line.length, longest);
      t.true(line.startsWith('kdelay: sample 2 of 10, waiting'));
    }
  });
}
