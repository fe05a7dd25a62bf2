//! Where in a function a probe may be put: where an instruction begins for certain, and the kernel leaves the function's memory alone.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::path::PathBuf;
use std::process::Command;

use probe_points::{ErrorKind, Objects};
use support::{Folder, file_offset, nm, offset, refusal, run};

struct Program {
    _folder: Folder,
    path: PathBuf,
    objects: Objects,
}

impl Program {
    fn new(compiler: &str, source: &str, options: &[&str]) -> Self {
        let folder = Folder::new();
        let path = folder.compile(compiler, "program", source, options);
        let objects = Objects::of_command(&path, "/".as_ref()).unwrap();
        Self {
            _folder: folder,
            path,
            objects,
        }
    }

    /// What a function has at a label, which is taken from its symbols.
    fn at(&self, function: &str, label: &str) -> (String, u64) {
        let (start, at) = (nm(&self.path, function)[0], nm(&self.path, label)[0]);
        (format!("up:{function}+{:#x}", at - start), at)
    }

    fn accepts(&self, function: &str, label: &str) {
        let (trigger, at) = self.at(function, label);
        let by_address = format!("up:{at:#x}");
        for trigger in [trigger, by_address] {
            assert_eq!(
                offset(&self.objects, &trigger),
                file_offset(&self.path, at),
                "{label}"
            );
        }
    }

    fn refuses(&self, function: &str, label: &str, why: &str) {
        let error = refusal(&self.objects, &self.at(function, label).0);
        assert_eq!(error.kind, ErrorKind::Unprobeable, "{label}: {error}");
        assert!(error.message.contains(why), "{label}: {error}");
    }
}

/// Each label that is to be found is a symbol of its own.
const DATA: &str = r#"
__asm__(".text\n"
    ".globl swallows\n.type swallows,@function\n"
    "swallows: endbr64\n jmp number\n"
    "half: .byte 0x48,0xb8\n" /* movabs, which takes the eight bytes after it */
    "number: mov $0x12345678,%eax\n"
    ".set inside,number+1\n"
    "adds: add %edi,%eax\n sub %edi,%eax\n nop\n nop\n"
    "returns: ret\n.size swallows,.-swallows\n"
    ".globl text\n.type text,@function\n"
    "text: call pops\n"
    "hello: .asciz \"hell\"\n"
    "pops: pop %rax\n"
    "after: nop\n ret\n.size text,.-text\n"
    ".globl looks_alike\n.type looks_alike,@function\n"
    "looks_alike: nop\n jmp ends\n"
    "pushes: .byte 0x55,0x55\n"
    "ends: ret\n.size looks_alike,.-looks_alike\n"
    ".globl locks\n.type locks,@function\n"
    "locks: test %edi,%edi\n je 1f\n"
    "prefix: lock\n"
    "1: .set unlocked,1b\n incl (%rsi)\n"
    "locked: ret\n.size locks,.-locks\n");
int main(void) { }
"#;

#[test]
fn among_data_only_instructions_are_probed() {
    let program = Program::new("gcc", DATA, &[]);
    for label in ["number", "adds", "returns"] {
        program.accepts("swallows", label);
    }
    program.refuses("swallows", "half", "cannot be told");
    program.refuses("swallows", "inside", "inside of an instruction");
    program.accepts("text", "pops");
    program.accepts("text", "after");
    program.refuses("text", "hello", "cannot be told");
    program.accepts("looks_alike", "ends");
    program.refuses("looks_alike", "pushes", "it may be data");
    program.accepts("locks", "prefix");
    program.accepts("locks", "locked");
    program.refuses("locks", "unlocked", "inside of an instruction");
}

const NOP_OF_FIVE: &str = r#"
__asm__(".text\n"
    ".globl begins\n.type begins,@function\n"
    "begins: .byte 0x0f,0x1f,0x44,0x00,0x00\n ret\n.size begins,.-begins\n"
    ".globl keeps\n.type keeps,@function\n"
    "keeps: mov %rdi,-8(%rsp)\n"
    "middle: .byte 0x0f,0x1f,0x44,0x00,0x00\n"
    "loads: mov -8(%rsp),%rax\n"
    "other: .byte 0x0f,0x1f,0x40,0x00\n ret\n.size keeps,.-keeps\n");
int main(void) { }
"#;

/// Linux makes a call of it, which writes where the function keeps its variable.
#[test]
fn a_nop_that_becomes_a_call_is_probed_only_where_a_function_begins() {
    let program = Program::new("gcc", NOP_OF_FIVE, &[]);
    assert_eq!(
        offset(&program.objects, "up:begins"),
        file_offset(&program.path, nm(&program.path, "begins")[0])
    );
    program.refuses("keeps", "middle", "a nop of five bytes");
    program.accepts("keeps", "loads");
    program.accepts("keeps", "other");
}

const CASES: &str = r#"
#include <stdexcept>
#include <cstdio>
volatile int sum;
extern "C" __attribute__((noinline)) int cases(unsigned x, int y) {
    switch (x) { case 0: sum = y * 7; break; case 1: sum = y - 5; break; case 2: return y ^ 0x55; case 3: sum = y << 3; break;
    case 4: sum = y / 3; break; case 5: return y % 11; case 6: return ~y; default: return y; }
    return sum + 1;
}
extern "C" __attribute__((noinline)) int catches(int n) {
    try { if (n == 4) throw std::runtime_error("bad"); std::puts("x"); }
    catch (std::runtime_error const &error) { std::puts(error.what()); return -1; }
    return n;
}
extern "C" __attribute__((noinline)) int labels(int x) {
    static void *const places[] = {&&one, &&two, &&three};
    int left = x;
    for (int i = 0; i < x; i++) { goto *places[(unsigned)(x + i) % 3]; one: left += i; continue; two: left ^= 5; continue; three: left--; }
    return left;
}
int main(int argc, char **) { return cases(argc, 3) + catches(argc) + labels(argc); }
"#;

/// Cases of a `switch`, `catch` blocks and labels, to which no jump leads that says so.
#[test]
fn what_only_a_table_or_an_exception_leads_to_is_probed() {
    for options in [
        &["-O2"][..],
        &["-O1"],
        &["-O0"],
        &["-O2", "-fcf-protection"],
    ] {
        let program = Program::new("g++", CASES, options);
        for function in ["cases", "catches", "labels"] {
            let text = run(Command::new("objdump")
                .args(["-d", "-w", "--no-show-raw-insn"])
                .arg(format!("--disassemble={function}"))
                .arg(&program.path));
            let instructions = text.lines().filter_map(|line| line.split_once(":\t"));
            let begins = instructions.filter_map(|(at, instruction)| {
                let at = u64::from_str_radix(at.trim(), 16).ok()?;
                Some((at, instruction.trim()))
            });
            let start = nm(&program.path, function)[0];
            let mut probed = 0;
            for (at, instruction) in begins {
                if instruction.starts_with("nop") || instruction.contains(" nop") {
                    continue;
                }
                let trigger = format!("up:{function}+{:#x}", at - start);
                assert_eq!(
                    offset(&program.objects, &trigger),
                    file_offset(&program.path, at),
                    "{options:?} {trigger} {instruction}"
                );
                probed += 1;
            }
            assert!(probed > 10, "{function}: {probed}");
        }
    }
}
