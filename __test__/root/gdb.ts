/** What gdb says of a thread that enters a system call, and stacks that were recorded, next to it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Frame, SyscallEvent } from '../../src/index.js';
import { run } from './cli.js';

export interface GdbFrame {
  name: string;
  address: bigint;
}

/** Frames that tail calls have left are gdb's guess: there is nothing of them on the stack. */
const script = `
import gdb
def frames():
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() == gdb.SIGTRAMP_FRAME:
            yield frame.pc(), "__restore_rt"
        elif frame.type() != gdb.TAILCALL_FRAME:
            yield frame.pc(), frame.name() or "??"
        frame = frame.older()
for stop in range(200):
    gdb.execute("continue")
    found = list(frames())
    if any("THROUGH" in name for _, name in found):
        for pc, name in found:
            print("FRAME", pc, name)
        break
`;

const settings = [
  'debuginfod enabled off',
  'auto-load no',
  'backtrace past-main on',
  'backtrace past-entry on',
  'breakpoint pending off',
];

/**
 * Of the first thread that enters this call from now on, through a function with such a name: its frames, inlined ones
 * included, innermost first.
 */
export function gdbFrames(folder: string, pid: number, call: string, through = ''): GdbFrame[] {
  const file = join(folder, 'frames.py');
  writeFileSync(file, script.replace('THROUGH', through));
  const commands = ['handle all nostop noprint pass', `catch syscall ${call}`, `source ${file}`];
  const { stdout, stderr } = run('gdb', [
    '-nx',
    '-batch',
    ...settings.flatMap((setting) => ['-iex', `set ${setting}`]),
    '-p',
    String(pid),
    ...commands.flatMap((command) => ['-ex', command]),
  ]);
  const frames = [...stdout.matchAll(/^FRAME (\d+) (.*)$/gm)].map(([, address = '0', name = '']) => ({
    name,
    address: BigInt(address),
  }));
  if (frames.length === 0) throw new Error(`${stdout}\n${stderr}`);
  // Some stacks end in a return address of zero, which gdb shows.
  return frames.at(-1)?.address === 0n ? frames.slice(0, -1) : frames;
}

/** Without namespaces, parameters, template arguments, return types, glibc's and the vDSO's marks of names, and which closure it is. */
export function plainName(name: string): string {
  let depth = 0;
  let plain = '';
  const words = name
    .replaceAll('operator()', 'operator_call')
    .replaceAll('->', '')
    .replaceAll('(anonymous namespace)', 'anonymous');
  for (const letter of words) {
    if ('<([{'.includes(letter)) depth++;
    else if ('>)]}'.includes(letter)) depth--;
    else if (depth === 0) plain += letter;
  }
  const path = plain
    .replace(/ const$/, '')
    .trim()
    .replace(/(::)+$/, '');
  const last = path.split(' ').at(-1)?.split('::').at(-1) ?? '';
  return last.replace(/^__(GI|vdso)_/, '').replace(/^_+/, '');
}

export const names = (frames: readonly Frame[]) => frames.map(({ symbol }) => symbol);

const shown = (frames: readonly GdbFrame[]) =>
  frames.map(({ name, address }) => `${address.toString(16)} ${plainName(name)}`);

/** In the same form as gdb's. */
export function likeGdb(frames: readonly Frame[]): GdbFrame[] {
  return frames.map(({ symbol, address }) => ({ name: symbol ?? '??', address: BigInt(address) }));
}

/** Every one of these stacks is complete, and has the same frames and functions as gdb saw. */
export function assertLikeGdb(
  t: ExecutionContext,
  recorded: readonly Pick<SyscallEvent, 'userStack' | 'userStackEnd'>[],
  gdb: readonly GdbFrame[],
): void {
  t.true(recorded.length > 0, 'something was recorded');
  for (const { userStack, userStackEnd } of recorded) {
    t.deepEqual(shown(likeGdb(userStack)), shown(gdb));
    t.is(userStackEnd, 'complete');
  }
}

/** These functions are there one after the other. */
export function assertChain(t: ExecutionContext, frames: readonly Frame[], wanted: readonly string[]): void {
  const functions = names(frames).map((name) => plainName(name ?? '??'));
  const from = functions.indexOf(wanted[0] ?? '');
  t.deepEqual(functions.slice(from, from + wanted.length), wanted, functions.join(' '));
}
