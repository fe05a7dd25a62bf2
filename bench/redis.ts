/** redis-server on a socket of its own, and redis-benchmark's GETs. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { end, launch } from './program.js';
import { clientCpu, type Server, type ServerKind, serverCpu } from './server.js';

const clients = 50;
/** More than it answers while the figures are made. */
const requests = 200_000_000;

export const redis: ServerKind = {
  name: 'redis',
  title: `redis-server, GETs of ${clients} clients of redis-benchmark`,
  start: startRedis,
};

async function startRedis(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'kdelay-redis-'));
  const socket = join(folder, 'socket');
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder];
  const server = launch('redis-server', settings, { stdio: 'ignore', cpu: serverCpu });
  const connection = await connect(socket);
  const load = ['-s', socket, '-t', 'get', '-q', '-c', String(clients), '-n', String(requests)];
  const benchmark = launch('redis-benchmark', load, { stdio: 'ignore', cpu: clientCpu });
  return {
    pid: server.pid ?? 0,
    async work(milliseconds) {
      const before = await commandsDone(connection);
      await setTimeout(milliseconds);
      const after = await commandsDone(connection);
      const commands = after.commands - before.commands;
      // Of what a client has under way at either end, one of the two calls may lie outside.
      const calls = Math.max(commands - clients, 0);
      return {
        perSecond: (commands * 1000) / (after.ms - before.ms),
        calls: { read: calls, write: calls },
      };
    },
    async end() {
      connection.destroy();
      await end(benchmark, 'SIGTERM');
      await end(server, 'SIGTERM');
      rmSync(folder, { recursive: true });
    },
  };
}

const longestStartMs = 10_000;

async function connect(path: string): Promise<Socket> {
  for (let waitedMs = 0; ; waitedMs += 20) {
    const connection = createConnection(path);
    try {
      await once(connection, 'connect');
      return connection.setEncoding('utf8');
    } catch (error) {
      if (waitedMs > longestStartMs) throw error;
      await setTimeout(20);
    }
  }
}

/** As the server counts them. */
async function commandsDone(connection: Socket): Promise<{ commands: number; ms: number }> {
  connection.write('INFO stats\r\n');
  let answer = '';
  while (!isWhole(answer)) answer += (await once(connection, 'data'))[0];
  const commands = /^total_commands_processed:(\d+)\r$/m.exec(answer)?.[1];
  if (commands === undefined) throw new Error('redis-server does not count its commands');
  return { commands: Number(commands), ms: performance.now() };
}

/** `$LENGTH`, so many bytes, and the end of the line. */
function isWhole(answer: string): boolean {
  const head = /^\$(\d+)\r\n/.exec(answer);
  return head !== null && answer.length >= head[0].length + Number(head[1]) + 2;
}
