import { EventEmitter } from 'node:events';
import test from 'ava';
import { listenForSignals } from '../../../src/cli/terminal/signals.js';

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`the first ${name} asks for the end, the second exits with ${code}`, (t) => {
    const source = new FakeProcess();
    const listener = listenForSignals(source);
    t.false(listener.signal.aborted);
    t.is(listener.exitCode, 0);
    source.emit(name);
    t.true(listener.signal.aborted);
    t.is(listener.exitCode, code);
    t.deepEqual(source.exits, []);
    source.emit(name);
    t.deepEqual(source.exits, [code]);
  });
}

test('dispose gives the signals back', (t) => {
  const source = new FakeProcess();
  listenForSignals(source).dispose();
  t.is(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM'), 0);
});

test('whoever quits at the second signal is told whether the first has come', (t) => {
  const source = new FakeProcess();
  const listener = listenForSignals(source);
  const told: boolean[] = [];
  listener.quitAtSecond((hasCome) => told.push(hasCome));
  source.emit('SIGTERM');
  listener.quitAtSecond((hasCome) => told.push(hasCome));
  t.deepEqual(told, [false, true]);
});
