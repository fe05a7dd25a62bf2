import test from 'ava';
import { withPart } from '../../bench/marked.js';

test('what stands between the marks is replaced, and nothing else', (t) => {
  const text =
    'a\n<!-- counts -->\nold\n<!-- end of counts -->\nb\n<!-- figures -->\n1\n<!-- end of figures -->\n';
  t.is(
    withPart(text, 'counts', 'new'),
    'a\n<!-- counts -->\nnew\n<!-- end of counts -->\nb\n<!-- figures -->\n1\n<!-- end of figures -->\n',
  );
});

test('a text without both marks is told', (t) => {
  t.is(withPart('a', 'counts', 'new'), null);
  t.is(withPart('<!-- counts -->\nold', 'counts', 'new'), null);
});
