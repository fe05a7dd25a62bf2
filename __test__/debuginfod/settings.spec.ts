import test from 'ava';
import { debugServers } from '../../src/debuginfod/settings.js';
import { KdelayError } from '../../src/errors.js';

const DEBUGINFOD_URLS = 'http://127.0.0.1:1 https://b.example/x/';

test('servers are asked in the order of the variable, with the patience of other clients', (t) => {
  const { urls, cache, timeout, maxTime, maxBytes } = debugServers({ DEBUGINFOD_URLS, HOME: '/home/a' });
  t.deepEqual(urls.map(String), ['http://127.0.0.1:1/', 'https://b.example/x/']);
  t.deepEqual([cache, timeout, maxTime], ['/home/a/.cache/debuginfod_client', 90, 0]);
  t.is(maxBytes, 2 ** 31);
});

test('the environment sets the limits and the folder', (t) => {
  const set = {
    DEBUGINFOD_URLS: `ima:enforcing ${DEBUGINFOD_URLS}`,
    DEBUGINFOD_TIMEOUT: '5',
    DEBUGINFOD_MAXTIME: '7',
    DEBUGINFOD_MAXSIZE: '1000',
    XDG_CACHE_HOME: '/c',
    HOME: '/home/a',
  };
  const { urls, ...rest } = debugServers(set);
  t.is(urls.length, 2);
  t.deepEqual(rest, { cache: '/c/debuginfod_client', timeout: 5, maxTime: 7, maxBytes: 1000 });
  t.is(debugServers({ ...set, DEBUGINFOD_CACHE_PATH: '/d' }).cache, '/d');
  t.is(debugServers({ ...set, DEBUGINFOD_MAXSIZE: '0' }).maxBytes, 2 ** 31);
});

const bad: Array<[string, Record<string, string>, RegExp]> = [
  ['no server', {}, /^--debuginfod: DEBUGINFOD_URLS names no server to ask$/],
  ['an empty list', { DEBUGINFOD_URLS: ' ' }, /^--debuginfod: DEBUGINFOD_URLS names no server to ask$/],
  ['a file', { DEBUGINFOD_URLS: 'file:///a' }, /'file:\/\/\/a', which is no URL/],
  ['what is no URL', { DEBUGINFOD_URLS: 'a' }, /'a', which is no URL/],
  ['a timeout in words', { DEBUGINFOD_URLS, DEBUGINFOD_TIMEOUT: 'long' }, /DEBUGINFOD_TIMEOUT is 'long'$/],
];

for (const [title, environment, message] of bad) {
  test(`${title} is refused in a line, with what to do`, (t) => {
    const error = t.throws(() => debugServers(environment), { instanceOf: KdelayError });
    t.is(error.code, 'INVALID_ARGUMENT');
    t.regex(error.message, message);
    t.truthy(error.hint);
  });
}
