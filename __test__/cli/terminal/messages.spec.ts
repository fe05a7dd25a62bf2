import test from 'ava';
import { note, reportFailure, warn } from '../../../src/cli/terminal/messages.js';
import { KdelayError } from '../../../src/errors.js';
import { Collector } from '../../helpers/streams.js';

test('a failure is one line and its hint below', (t) => {
  const stderr = new Collector();
  t.is(
    reportFailure(stderr, new KdelayError('NO_SUCH_PROCESS', 'pid 7: no such process', 'try 8'), false),
    66,
  );
  t.is(stderr.text, 'kdelay: pid 7: no such process\nhint: try 8\n');
});

test('a hint of several lines is indented', (t) => {
  const stderr = new Collector();
  reportFailure(stderr, new KdelayError('AMBIGUOUS_TARGET', 'target: 2', 'choose:\n1 a\n2 b'), false);
  t.is(stderr.text, 'kdelay: target: 2\nhint: choose:\n      1 a\n      2 b\n');
});

test('an unexpected error is one line without its stack, exit 70', (t) => {
  const stderr = new Collector();
  t.is(reportFailure(stderr, new TypeError('x is not a function'), false), 70);
  t.is(
    stderr.text,
    'kdelay: internal error: TypeError: x is not a function\nhint: this is a defect in kdelay; -D prints the stack\n',
  );
});

test('with debugging an unexpected error shows where it arose', (t) => {
  const stderr = new Collector();
  reportFailure(stderr, new TypeError('x is not a function'), true);
  t.regex(stderr.text, /\n {4}at .*messages\.spec\.ts/);
});

test('with debugging an expected failure has no stack all the same', (t) => {
  const stderr = new Collector();
  reportFailure(
    stderr,
    new KdelayError('NOT_PERMITTED', 'bpf: not permitted', null, new Error('EPERM')),
    true,
  );
  t.is(stderr.text, 'kdelay: bpf: not permitted\n');
});

test('something thrown that is no error is reported too', (t) => {
  const stderr = new Collector();
  t.is(reportFailure(stderr, 'text', false), 70);
  t.true(stderr.text.startsWith('kdelay: internal error: text\n'));
});

test('names in messages cannot drive the terminal', (t) => {
  const stderr = new Collector();
  note(stderr, '\x1b[2J');
  warn(stderr, '\u202e', 'a\rb');
  reportFailure(stderr, new KdelayError('IO', '\x9b1m', '\x07'), false);
  t.is(
    stderr.text,
    'kdelay: note: \\x1b[2J\nkdelay: warning: \\u202e\nhint: a\\rb\nkdelay: \\x9b1m\nhint: \\x07\n',
  );
});
