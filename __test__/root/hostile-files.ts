/** Files of an ordinary user that are small and are made to cost much. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Programs } from './programs.js';

/**
 * Calls getpid in a function whose entry in the unwind table has rules for over a hundred registers, and remembers and restores them so
 * many times; on a stack on which each word leads back into it.
 */
export function slowToUnwind(programs: Programs, pairs: number): string {
  const caller = `
#include <unistd.h>
__asm__(
  ".globl slow_call\\nslow_call:\\n.cfi_startproc\\n.cfi_def_cfa 7, 8\\n.cfi_escape 0x16, 3, 1, 0x30\\n"
  ".set i, 17\\n.rept 110\\n.cfi_offset i, 0\\n.set i, i + 1\\n.endr\\n"
  ".rept ${pairs}\\n.cfi_remember_state\\n.cfi_restore_state\\n.endr\\n"
  "mov %rsp, %r8\\nmov %rdi, %rsp\\nmov $39, %eax\\nsyscall\\n"
  ".globl slow_after\\nslow_after: mov %r8, %rsp\\nret\\n.cfi_endproc\\n");
void slow_call(void *); extern char slow_after[]; static void *area[4096];
int main(void) {
  for (int i = 0; i < 4096; i++) area[i] = slow_after;
  for (;;) { slow_call(area + 8); usleep(5000); }
}`;
  return programs.compile('gcc', 'c', caller, '-O1');
}

/** A frame of zstd that stands for so many zeros. */
function packedZeros(bytes: number): Buffer {
  const frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
  for (let left = bytes; left > 0; left -= 1 << 17) {
    const count = Math.min(left, 1 << 17);
    const block = (count << 3) | 2 | (left === count ? 1 : 0);
    frame.push(block & 0xff, (block >> 8) & 0xff, block >> 16, 0);
  }
  return Buffer.from(frame);
}

const debugSections = ['.debug_info', '.debug_abbrev', '.debug_str'];

/** A section, packed as the linker would, with a header that says so. */
function packedSection(bytes: number): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(2, 0);
  header.writeBigUInt64LE(BigInt(bytes), 8);
  header.writeBigUInt64LE(1n, 16);
  return Buffer.concat([header, packedZeros(bytes)]);
}

function markAsPacked(path: string): void {
  const file = readFileSync(path);
  const headers = Number(file.readBigUInt64LE(40));
  const namesAt = Number(file.readBigUInt64LE(headers + 64 * file.readUInt16LE(62) + 24));
  for (let index = 0; index < file.readUInt16LE(60); index++) {
    const header = headers + 64 * index;
    const name = namesAt + file.readUInt32LE(header);
    if (debugSections.includes(file.toString('latin1', name, file.indexOf(0, name))))
      file.writeBigUInt64LE(0x800n, header + 8);
  }
  writeFileSync(path, file);
}

/**
 * A program, and its arguments: libraries of some 40 KB with debug information that becomes three times so many bytes. A call of
 * clock_nanosleep goes through all of them.
 */
export function callsThroughBombs(programs: Programs, count: number, bytes: number): [string, string[]] {
  const hop = `
#include <time.h>
typedef void (*hop_t)(int, void **);
__attribute__((noinline)) void hop(int i, void **next) {
  if (next[i + 1]) ((hop_t)next[i + 1])(i + 1, next);
  else { struct timespec t = { 0, 2000000 }; nanosleep(&t, 0); }
  __asm__ volatile("");
}`;
  const library = programs.compile('gcc', 'c', hop, '-O1', '-shared', '-fPIC');
  const packed = join(dirname(library), 'packed');
  writeFileSync(packed, packedSection(bytes));
  const add = debugSections.map((name) => `--add-section=${name}=${packed}`);
  execFileSync('objcopy', [...add, library]);
  markAsPacked(library);
  const libraries = Array.from({ length: count }, (_, index) => join(dirname(library), `bomb-${index}.so`));
  for (const copy of libraries) copyFileSync(library, copy);
  const main = `
#include <dlfcn.h>
#include <stdlib.h>
int main(int count, char **paths) {
  void **next = calloc(count + 1, sizeof *next);
  for (int i = 1; i < count; i++) {
    void *library = dlopen(paths[i], RTLD_NOW);
    if (!library) return 1;
    next[i - 1] = dlsym(library, "hop");
  }
  for (;;) ((void (*)(int, void **))next[0])(0, next);
}`;
  return [programs.compile('gcc', 'c', main, '-O1', '-ldl'), libraries];
}
