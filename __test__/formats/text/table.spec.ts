import test from 'ava';
import { type Column, laidOut, tableLines } from '../../../src/formats/text/table.js';

const columns: Column[] = [
  { title: 'NAME', width: 6, align: 'left' },
  { title: 'COUNT', width: 8, align: 'right' },
];

test('columns have their least width, numbers stand right, no line ends in spaces', (t) => {
  t.deepEqual(
    tableLines(columns, [
      ['read', 12],
      ['x', null],
    ]),
    ['NAME      COUNT', 'read         12', 'x'],
  );
});

test('a cell that is too long widens its column', (t) => {
  t.deepEqual(
    tableLines(columns, [
      ['sendmmsg', 123_456_789],
      ['x', 1],
    ]),
    ['NAME         COUNT', 'sendmmsg 123456789', 'x                1'],
  );
});

test('characters two columns wide are counted as two', (t) => {
  t.deepEqual(
    tableLines(columns, [
      ['漢字', 1],
      ['ab', 2],
    ]),
    ['NAME      COUNT', '漢字          1', 'ab            2'],
  );
});

test('a table without rows is its titles', (t) => {
  t.deepEqual(tableLines(columns, []), ['NAME      COUNT']);
});

test('plain cells look the same whichever way they are laid out', (t) => {
  const rows = [
    ['', '0'],
    ['a', '12345678'],
    ['abcdef', ''],
    ['~ x', '1,234'],
    ['wider than it', '123,456,789'],
  ];
  const titles = ['NAME  ', '   COUNT'];
  const general = laidOut(columns, [titles, ...rows]).map((line) => line.trimEnd());
  t.deepEqual(tableLines(columns, rows), general);
});
