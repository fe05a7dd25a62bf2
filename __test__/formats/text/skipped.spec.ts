/** Windows that are no samples. */
import test from 'ava';
import { text } from '../../../src/formats/text/index.js';
import { defaultOptions } from '../../../src/options/effective.js';
import { toWindow } from '../../../src/report/sample.js';
import { rawWindow } from '../../helpers/raw.js';

const trigger = { pid: 100, tid: 101, comm: 'worker' };

function skipped(by: 'trigger' | 'left'): string[] {
  const window = rawWindow({ by, trigger: by === 'trigger' ? trigger : null }, { trigger });
  const lines = [...text.create({ ...defaultOptions(), command: null }).skipped(toWindow(window))]
    .join('')
    .split('\n');
  return lines.map((line) => line.replace(/@\d+\)/, '@)').replace(/@\S+ \([^)]*\)/, '@TIME'));
}

test('a window that was too short says how long it was', (t) => {
  t.deepEqual(skipped('trigger'), [
    '# Start sampling (trigger@) @TIME in 101 worker',
    '# Stop sampling (trigger@) @TIME in 101 worker',
    '# Sample dump skipped, delta 500,000,000 ns @TIME',
    '',
  ]);
});

test('one whose call was left says so', (t) => {
  t.deepEqual(skipped('left'), [
    '# Start sampling (trigger@) @TIME in 101 worker',
    '# Stop sampling (left) @TIME',
    '# Sample dump skipped, the call was left without a return @TIME',
    '',
  ]);
});
