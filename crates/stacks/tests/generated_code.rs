//! Code that programs generate, and what they say of it. Needs root.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;

use stacks::End;
use support::{Folder, PLAIN, Running, assert_chain, functions};

/// Generated functions that call what they are given, and the C functions around them.
const GENERATED: &str = r#"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
volatile int sink;
__attribute__((noinline)) static void inner(void) { pause(); sink++; }
/* sub $24,%rsp; call *%rdi; add $24,%rsp; ret */
static const unsigned char plain[] = { 0x48, 0x83, 0xec, 24, 0xff, 0xd7, 0x48, 0x83, 0xc4, 24, 0xc3 };
/* push %rbp; xor %ebp,%ebp; sub $16,%rsp; call *%rsi; add $16,%rsp; pop %rbp; ret */
static const unsigned char other[] = {
    0x55, 0x31, 0xed, 0x48, 0x83, 0xec, 16, 0xff, 0xd6, 0x48, 0x83, 0xc4, 16, 0x5d, 0xc3 };
#ifdef DUMP
#include <stdint.h>
#include <stdio.h>
static void add(FILE *dump, const void *code, uint64_t bytes, const char *name) {
    struct { uint32_t kind, bytes; uint64_t time; uint32_t pid, tid; uint64_t address, same, bytes_of_code, number; } record = {
        0, sizeof record + strlen(name) + 1 + bytes, 1, getpid(), getpid(), (uint64_t)code, (uint64_t)code, bytes, 1 };
    fwrite(&record, sizeof record, 1, dump);
    fwrite(name, strlen(name) + 1, 1, dump);
    fwrite(code, bytes, 1, dump);
}
static void describe(const char *memory) {
    char path[64];
    sprintf(path, "jit-%d.dump", getpid());
    FILE *dump = fopen(path, "w+");
    struct { uint32_t magic, version, bytes, machine, none, pid; uint64_t time, flags; } header = {
        0x4a695444, 1, sizeof header, 62, 0, getpid(), 1, 0 };
    fwrite(&header, sizeof header, 1, dump);
    add(dump, memory, sizeof other, "made first");
    add(dump, memory + 4096, sizeof plain, "made second");
    fflush(dump);
    mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(dump), 0);
}
#else
static void describe(const char *memory) {}
#endif
typedef void (*Made)(void (*)(void), void *);
__attribute__((noinline)) static void outer(Made made, void *next) { made(inner, next); sink++; }
int main(void) {
    char *memory = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(memory, other, sizeof other);
    memcpy(memory + 4096, plain, sizeof plain);
    describe(memory);
    outer((Made)memory, memory + 4096);
    return 0;
}
"#;

#[test]
fn generated_code_without_frames() {
    let folder = Folder::new();
    let running = Running::start(&folder.compile("gcc", GENERATED, &PLAIN));
    let (frames, end) = running.walk(running.pid);
    let found = functions(&frames);
    assert_chain(&found, &["inner", "??", "??", "outer", "main"]);
    assert_eq!(end, End::Complete, "{found:?}");
}

#[test]
fn the_names_of_a_dump_that_is_mapped() {
    let folder = Folder::new();
    let program = folder.compile("gcc", GENERATED, &[&PLAIN[..], &["-DDUMP"]].concat());
    let running = Running::command(Command::new(program).current_dir(folder.path()));
    assert_eq!(running.maps().problems(), &[] as &[String]);
    let (frames, end) = running.walk(running.pid);
    let found = functions(&frames);
    let wanted = ["inner", "made second", "made first", "outer", "main"];
    let from = found.iter().position(|name| name == "inner").unwrap();
    assert_eq!(found[from..][..wanted.len()], wanted);
    assert_eq!(end, End::Complete);
}
