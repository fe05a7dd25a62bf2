/** Recorded calls become objects as they are read, some at a time. */
import test from 'ava';
import type { Binding } from '../../src/native/index.js';
import { RecordedEvents } from '../../src/report/events.js';
import { rawCalls, rawEvent } from '../helpers/raw.js';

const many = Array.from({ length: 1000 }, (_, index) => rawEvent({ entryNs: BigInt(index) }));

function events(calls: Binding.BindingCalls = rawCalls(many)): RecordedEvents {
  return new RecordedEvents(calls, () => []);
}

const entries = (list: Iterable<{ entryNs: string }>) => [...list].map(({ entryNs }) => Number(entryNs));

test('all are there, in order', (t) => {
  t.is(events().length, 1000);
  t.deepEqual(entries(events()), [...many.keys()]);
  t.deepEqual(entries(events(rawCalls([]))), []);
});

test('any is found by its index, as in an array', (t) => {
  const list = events();
  for (const index of [0, 255, 256, 999, 3, -1, -1000])
    t.is(list.at(index)?.entryNs, String(many.at(index)?.entryNs));
  for (const index of [1000, -1001, 0.5, Number.NaN]) t.is(list.at(index), undefined);
});

test('in JSON they are an array', (t) => {
  const parsed = JSON.parse(JSON.stringify({ events: events() }));
  t.deepEqual(entries(parsed.events), [...many.keys()]);
  t.is(JSON.stringify(events(rawCalls([]))), '[]');
});

test('several may go through them at the same time', (t) => {
  const list = events();
  const [first, second] = [list[Symbol.iterator](), list[Symbol.iterator]()];
  for (let index = 0; index < 300; index++) first.next();
  t.is(second.next().value?.entryNs, '0');
  t.is(first.next().value?.entryNs, '300');
});

test('few of them are objects at a time', (t) => {
  const asked: number[] = [];
  const calls = rawCalls(many);
  const slice = (from: number, to: number) => {
    asked.push(to - from);
    return calls.slice(from, to);
  };
  t.is([...events({ length: 1000, slice } as Binding.BindingCalls)].length, 1000);
  t.true(Math.max(...asked) <= 256);
  t.true(asked.length < 10);
});
