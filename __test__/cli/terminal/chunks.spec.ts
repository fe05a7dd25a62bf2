import test from 'ava';
import { inChunks } from '../../../src/cli/terminal/chunks.js';

async function chunksOf(...sources: Iterable<string>[]): Promise<string[]> {
  const chunks: string[] = [];
  for await (const chunk of inChunks(...sources)) chunks.push(chunk);
  return chunks;
}

test('small pieces go together, and none is lost', async (t) => {
  const lines = Array.from({ length: 100_000 }, (_, index) => `${index}\n`);
  const chunks = await chunksOf(['head\n'], lines);
  t.is(chunks.join(''), `head\n${lines.join('')}`);
  t.true(chunks.length > 1 && chunks.length < 100);
});

test('of nothing there is one that is empty', async (t) => {
  t.deepEqual(await chunksOf([], ['', '']), ['']);
});

test('while there is no text for long, other things have their turns', async (t) => {
  let isHeard = false;
  setImmediate(() => {
    isHeard = true;
  });
  function* untilHeard(): Generator<string> {
    while (!isHeard) yield '';
    yield 'text';
  }
  t.deepEqual(await chunksOf(untilHeard()), ['text']);
});
