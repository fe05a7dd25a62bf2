import test from 'ava';
import { check } from '../../bench/count/check.js';
import { type Counted, figures, parseCounted, serialized } from '../../bench/count/counts.js';
import { difference, instructions } from '../../bench/count/instructions.js';
import { markdown } from '../../bench/count/table.js';

const machine = { kernel: '6.12.1', emulator: 'QEMU emulator version 7.2' };

interface Given {
  emptyall?: number;
  floor?: number;
  kdelay?: number;
  kernel?: string;
}

function counted({
  emptyall = 200,
  floor = 400,
  kdelay = 700,
  kernel = machine.kernel,
}: Given = {}): Counted {
  const load = (bare: number) => ({
    bare,
    added: {
      emptyall: { watched: emptyall, bystander: 200 },
      floor: { watched: floor, bystander: 250 },
      kdelay: { watched: kdelay, bystander: 260 },
    },
  });
  return { machine: { ...machine, kernel }, counts: { getppid: load(341), futexpp: load(4357) } };
}

test('what was written is read', (t) => {
  t.deepEqual(parseCounted(serialized(counted())), counted());
});

test('a figure that is no number is refused', (t) => {
  const text = serialized(counted()).replace('"watched": 700', '"watched": null');
  t.throws(() => parseCounted(text), {
    instanceOf: TypeError,
    message: 'getppid, kdelay, watched: not a number',
  });
});

test('each load has two figures a tracer', (t) => {
  t.is(figures(counted().counts).length, 12);
  t.deepEqual(figures(counted().counts)[4], {
    load: 'getppid',
    tracer: 'kdelay',
    who: 'watched',
    instructions: 700,
  });
});

test('of undisturbed slices the least counts', (t) => {
  const slices = [
    { medianNs: 10, atMedian: 0.1 },
    { medianNs: 14, atMedian: 0.9 },
    { medianNs: 12, atMedian: 0.5 },
  ];
  t.is(instructions('it', slices), 12);
});

test('slices that are all disturbed count nothing', (t) => {
  t.throws(() => instructions('getppid', [{ medianNs: 10, atMedian: 0.4 }]), {
    message: /^getppid: in no slice/,
  });
  t.throws(() => instructions('getppid', []), { message: /^getppid: in no slice/ });
});

test('the rest of a division is no digit of a figure', (t) => {
  t.is(difference(1102.78125, 343.78125), 759);
  t.is(difference(0.3, 0.1), 0.2);
});

test('a row has both loads, of the watched process and the bystander', (t) => {
  const lines = markdown(counted()).split('\n');
  t.is(
    lines[0],
    'Linux 6.12.1, QEMU emulator version 7.2. Without a tracer, a call takes 341 instructions and a hand-over 4357.',
  );
  t.is(lines.at(-1), '| kdelay | 700 | 260 | 700 | 260 |');
});

test('the same counts pass', (t) => {
  t.deepEqual(check(counted(), counted()), {
    failed: false,
    lines: ['No figure is more than 2 % from the committed one.'],
  });
  t.false(check(counted(), counted({ kdelay: 714 })).failed);
});

test('a figure that grew by more than two per cent fails, by its name', (t) => {
  const { failed, lines } = check(counted(), counted({ kdelay: 715 }));
  t.true(failed);
  t.is(lines[0], 'dearer: getppid, kdelay, watched: 700 → 715 instructions (+2.1 %)');
  t.is(lines[1], 'dearer: futexpp, kdelay, watched: 700 → 715 instructions (+2.1 %)');
  t.regex(lines[2] ?? '', /with the reason: 'npm run bench:count -- --write'/);
});

test('one that shrank passes, and is to be committed', (t) => {
  const { failed, lines } = check(counted(), counted({ kdelay: 600 }));
  t.false(failed);
  t.is(lines[0], 'cheaper: getppid, kdelay, watched: 700 → 600 instructions (-14.3 %)');
  t.regex(lines.at(-1) ?? '', /^So that it stays so/);
});

test('a tracer that only one of both has fails', (t) => {
  const committed = counted();
  delete committed.counts.getppid.added['floor'];
  const { failed, lines } = check(committed, counted());
  t.true(failed);
  t.is(lines[0], 'committed or counted, but not both: getppid, floor, watched');
});

const other = { kernel: '6.12.2', emptyall: 300, floor: 500 };

test('on another kernel, what the empty programs cost there is not kdelay’s', (t) => {
  const { failed, lines } = check(counted(), counted({ ...other, kdelay: 800 }));
  t.false(failed);
  t.is(lines[0], 'committed: Linux 6.12.1, QEMU emulator version 7.2');
  t.true(lines.includes('No figure is more than 2 % from the committed one.'));
});

test('on another kernel, what kdelay adds above that is', (t) => {
  const { failed, lines } = check(counted(), counted({ ...other, kdelay: 820 }));
  t.true(failed);
  // The 520 that are left instead of 500 are 20 of the committed 700.
  t.true(lines.includes('dearer: getppid, kdelay, watched: 500 → 520 instructions (+2.9 %)'));
});

test('on another kernel whose other costs are others, nothing is told', (t) => {
  const { failed, lines } = check(counted(), counted({ ...other, floor: 600, kdelay: 2000 }));
  t.false(failed);
  t.true(lines.some((line) => line.startsWith('not kdelay’s: getppid, floor, watched: 200 → 300')));
  t.regex(lines.at(-1) ?? '', /^Nothing is known of kdelay’s own/);
});
