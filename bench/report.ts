/**
 * What a report of very many threads takes, from the end of its window to kdelay's: `npm run bench:report [-- THREADS]`, by default 30,000
 * short ones with 24 different system calls each. A row for each format, on stdout. Run by scripts/bench-report.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './program.js';

const oracle = fileURLToPath(new URL('../target/release/kdelay-oracle', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

const threads = Number(process.argv[2] ?? 30_000);
/** Beside prctl and exit. */
const calls = 22;

interface Figures {
  seconds: number;
  cpuSeconds: number;
  peakMb: number;
  fileMb: number;
}

async function measure(format: string, file: string): Promise<Figures> {
  const work = [oracle, 'threads', String(threads), '--batch', '2', '--calls', String(calls)];
  const options = ['-f', format, '-o', file, '--sample-time', '600'];
  const child = launch(process.execPath, [cli, 'capture', ...options, '--', ...work], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const pid = child.pid ?? 0;
  let peakMb = 0;
  let cpuSeconds = 0;
  // The kernel keeps the peak: the last look before the end has it.
  const look = setInterval(() => {
    peakMb = peakMbOf(pid) ?? peakMb;
    cpuSeconds = cpuSecondsOf(pid) ?? cpuSeconds;
  }, 20);
  // Once the work is done the command tells the truth, finds its stdin over, and ends: so does the window.
  child.stdin?.end('go\n');
  let printed = '';
  let doneMs = 0;
  let cpuBefore = 0;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (doneMs !== 0 || !printed.includes('"truth":true')) return;
    doneMs = performance.now();
    cpuBefore = cpuSecondsOf(pid) ?? 0;
  });
  const [code] = await exited;
  const seconds = (performance.now() - doneMs) / 1000;
  clearInterval(look);
  if (code !== 0) throw new Error(`kdelay ended with ${code}`);
  return { seconds, cpuSeconds: cpuSeconds - cpuBefore, peakMb, fileMb: statSync(file).size / 1e6 };
}

function peakMbOf(pid: number): number | null {
  const kb = /^VmHWM:\s*(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
  return kb === undefined ? null : (Number(kb) * 1024) / 1e6;
}

/** In user code and in the kernel. The kernel counts in hundredths. */
function cpuSecondsOf(pid: number): number | null {
  const fields = textOf(`/proc/${pid}/stat`).replace(/^.*\)/s, '').trim().split(' ');
  const [user, kernel] = [fields[11], fields[12]];
  return user === undefined || kernel === undefined ? null : (Number(user) + Number(kernel)) / 100;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended.
    return '';
  }
}

const folder = mkdtempSync(join(tmpdir(), 'kdelay-report-'));
try {
  console.log(`${threads.toLocaleString('en')} threads, ${calls + 2} different system calls each\n`);
  console.log('| format | s to the end | s of CPU | peak MB | file MB |');
  console.log('|---|---|---|---|---|');
  for (const format of ['json', 'ndjson', 'text']) {
    const { seconds, cpuSeconds, peakMb, fileMb } = await measure(format, join(folder, format));
    const cells = [seconds.toFixed(1), cpuSeconds.toFixed(1), peakMb.toFixed(0), fileMb.toFixed(0)];
    console.log(`| ${format} | ${cells.join(' | ')} |`);
    rmSync(join(folder, format));
  }
} finally {
  rmSync(folder, { recursive: true });
}
