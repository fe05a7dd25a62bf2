import test from 'ava';
import { pollFamily } from '../../src/report/poll.js';
import { kindOf } from '../../src/verdict/call-kinds.js';

for (const [name, kind] of [
  ['epoll_wait', 'idle'],
  ['clock_nanosleep', 'idle'],
  ['futex', 'lock'],
  ['read', 'receive'],
  ['sendmsg', 'send'],
  ['fsync', 'storage'],
  ['munmap', 'other'],
  ['constructor', 'other'],
] as const) {
  test(`${name} is ${kind}`, (t) => {
    t.is(kindOf({ name }), kind);
  });
}

test('whatever polls is idle', (t) => {
  for (const name of pollFamily) t.is(kindOf({ name }), 'idle', name);
});
