//! Where functions return that jump to computed places: within themselves, or to other functions.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use probe_points::{Error, ErrorKind, Kernel, Objects, Point, ReturnProbes, parse, resolve_with};
use support::{Folder, bytes_at, points, run};

const RETURN: u8 = 0xc3;
const OPTIONS: [&[&str]; 6] = [
    &["-O2"],
    &["-O2", "-no-pie", "-fno-pie"],
    &["-O3"],
    &["-O1", "-no-pie", "-fno-pie"],
    &["-O2", "-fcf-protection"],
    &["-O2", "-mindirect-branch=thunk", "-fcf-protection=none"],
];

struct Compiled {
    _folder: Folder,
    path: PathBuf,
}

impl Compiled {
    fn new(source: &str, options: &[&str]) -> Self {
        let folder = Folder::new();
        let path = folder.compile("gcc", "program", source, options);
        Self {
            _folder: folder,
            path,
        }
    }

    fn ends(&self, function: &str) -> Result<Vec<Point>, Error> {
        ends(&self.path, function)
    }
}

fn ends(path: &Path, function: &str) -> Result<Vec<Point>, Error> {
    let objects = Objects::of_command(path, "/".as_ref()).unwrap();
    points(&objects, &format!("ur:{function}"))
}

fn are_returns(ends: &[Point]) -> bool {
    ends.iter().all(|end| bytes_at(end, 1) == [RETURN])
}

const SWITCHES: &str = r#"
#include <stdio.h>
#include <stdlib.h>
typedef volatile unsigned long *word;
__attribute__((cold,noinline,noreturn)) void bad(unsigned n) { fprintf(stderr, "bad %u\n", n); abort(); }
__attribute__((noinline)) unsigned long impossible(unsigned a, unsigned c, word p) {
    switch (a) { case 0: __builtin_trap(); case 1: *p ^= 79; case 2: *p *= 450; case 3: *p *= 3; break; case 4: *p -= 361; }
    switch (c) { case 0: *p |= 507; break; case 1: *p -= 394; break; case 2: *p *= 653; break; case 3: *p -= 618; return *p;
    case 4: *p *= 722; break; case 5: *p |= 205; case 6: *p -= 596; return *p; case 7: *p *= 884; break; default: *p += 5; }
    return *p;
}
__attribute__((noinline)) unsigned long rare(unsigned kind, unsigned state, word p) {
    switch (kind) { case 0: *p += 1; break; case 1: *p ^= 7; break; case 2: *p *= 3; break; case 3: *p -= 9; break; case 4: *p |= 64; break;
    default: *p += 100; }
    switch (state) { case 0: bad(kind); case 1: *p ^= 17; break; case 2: *p *= 13; break; case 3: *p -= 19; break; case 4: *p |= 164; break;
    default: *p += 3; }
    return *p;
}
__attribute__((noinline)) unsigned long first_is_rare(unsigned state, word p) {
    switch (state) { case 0: bad(state); case 1: *p ^= 17; return 1; case 2: *p *= 13; break; case 3: *p -= 19; return *p; case 4: *p |= 164; break;
    case 5: *p += 3; break; default: __builtin_unreachable(); }
    return *p;
}
__attribute__((noinline)) unsigned long repeated(unsigned char const *text, word p) {
    for (;; text++) switch (*text) { case 0: return *p; case 1: *p ^= 17; break; case 2: *p *= 13; break; case 3: *p -= 19; break; case 4: *p |= 164; break;
    case 5: return 7; default: *p += 3; }
}
__attribute__((noinline)) unsigned long no_other(unsigned a, word p) {
    *p += 1;
    switch (a) { case 0: *p += 421; case 1: *p += 331; return *p; case 2: *p += 5; break; case 3: *p *= 881; return *p; case 4: *p -= 930; break;
    case 5: *p ^= 109; case 6: *p -= 486; break; case 7: *p |= 46; return *p; default: __builtin_unreachable(); }
    return *p;
}
static volatile unsigned long x;
int main(int argc, char **argv) { return no_other(argc, &x) + impossible(argc, argc, &x) + rare(argc, argc, &x) + first_is_rare(argc, &x) + repeated((void *)argv[0], &x); }
"#;

#[test]
fn all_entries_of_a_table_are_followed() {
    for options in OPTIONS {
        let program = Compiled::new(SWITCHES, options);
        for function in [
            "impossible",
            "rare",
            "first_is_rare",
            "repeated",
            "no_other",
        ] {
            let found = program.ends(function);
            let found = found.unwrap_or_else(|error| panic!("{options:?} {function}: {error}"));
            assert!(are_returns(&found), "{options:?} {function}: {found:?}");
        }
    }
}

const LABELS: &str = r#"
struct op { void *to; long by; };
typedef volatile unsigned long *word;
static void *labels[3];
__attribute__((noinline)) unsigned long by_struct(struct op *pc, unsigned mode, word p) {
    switch (mode) { case 0: *p += 1; break; case 1: *p ^= 7; break; case 2: *p *= 3; break; case 3: *p -= 9; break; case 4: *p |= 64; break;
    case 5: labels[0] = &&add; labels[1] = &&mul; labels[2] = &&end; return 0; default: *p += 100; }
    goto *pc->to;
    add: *p += pc->by; pc++; goto *pc->to;
    mul: *p *= pc->by; pc++; goto *pc->to;
    end: return *p;
}
static void *volatile next;
__attribute__((noinline)) unsigned long by_variable(unsigned n, word p) {
    static void *const to[] = {&&a, &&b, &&c};
    next = to[n % 3];
    *p += 3;
    goto *next;
    a: *p += 7; return *p;
    b: *p ^= 9; return *p;
    c: *p *= 5; return *p;
}
static volatile unsigned long x;
int main(int argc, char **argv) { return by_variable(argc, &x) + by_struct((void *)argv, 5, &x); }
"#;

/// There is no end but returns; with a frame on the stack that is certain.
#[test]
fn a_jump_to_a_label_is_no_end() {
    for options in OPTIONS {
        let program = Compiled::new(LABELS, options);
        for function in ["by_struct", "by_variable"] {
            match program.ends(function) {
                Ok(found) => assert!(are_returns(&found), "{options:?} {function}: {found:?}"),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Unprobeable);
                    let is_told = error.message.contains("leads cannot be told");
                    assert!(is_told, "{options:?} {function}: {error}");
                }
            }
        }
    }
}

const TAIL_CALLS: &str = r#"
#include <stdio.h>
#include <stdlib.h>
typedef volatile unsigned long *word;
int (*hook)(int);
static int one(int x) { return x + 1; }
static int two(int x) { return x * 2; }
static int (*const table[])(int) = {one, two};
__attribute__((noinline)) int by_variable(int x) { return hook(x + 1); }
__attribute__((noinline)) int by_table(unsigned n, int x) { return table[n & 1](x); }
__attribute__((noinline)) int by_switch_and_hook(unsigned n, word p) {
    switch (n) { case 0: *p += 1; break; case 1: *p ^= 7; break; case 2: *p *= 3; break; case 3: *p -= 9; break; case 4: *p |= 64; break;
    case 5: return 3; default: *p += 100; }
    return hook(n);
}
__attribute__((noinline)) int to_library(unsigned n, word p) {
    switch (n) { case 0: *p += 1; break; case 1: *p ^= 7; break; case 2: *p *= 3; break; case 3: *p -= 9; break; case 4: *p |= 64; break;
    case 5: return 3; default: *p += 100; }
    return puts("x");
}
static volatile unsigned long x;
int main(int argc, char **argv) {
    hook = argc > 1 ? one : two;
    return by_variable(argc) + by_table(argc, 3) + by_switch_and_hook(argc, &x) + to_library(argc, &x);
}
"#;

#[test]
fn a_computed_jump_to_another_function_is_an_end() {
    let no_plt: &[&str] = &["-O2", "-fno-plt"];
    for options in OPTIONS.into_iter().chain([no_plt]) {
        // Compilers call without jumping, then.
        if options.contains(&"-O1") {
            continue;
        }
        let program = Compiled::new(TAIL_CALLS, options);
        for function in [
            "by_variable",
            "by_table",
            "by_switch_and_hook",
            "to_library",
        ] {
            let found = program.ends(function);
            let found = found.unwrap_or_else(|error| panic!("{options:?} {function}: {error}"));
            assert!(!are_returns(&found), "{options:?} {function}");
        }
    }
}

const BY_RETURN: &str = r#"
int (*hook)(int);
__attribute__((noinline)) int calls(int x) { return hook(hook(x)) + 1; }
int main(int argc, char **argv) { return calls(argc); }
"#;

/// Each call is made by a return, which the function has for each.
#[test]
fn a_return_that_makes_a_call_is_no_end() {
    let options = [
        "-O2",
        "-mindirect-branch=thunk-inline",
        "-fcf-protection=none",
    ];
    let program = Compiled::new(BY_RETURN, &options);
    let error = program.ends("calls").unwrap_err();
    assert!(error.message.contains("within itself"), "{error}");
}

const ROUNDS: &str = r#"
__attribute__((noinline)) int at_start(volatile int *p) { do { (*p)++; } while (*p & 15); return 0; }
__attribute__((noinline)) int behind_start(volatile int *p, int n) { int sum = n * 3; do { (*p)++; sum += n; } while (*p & 15); return sum; }
__attribute__((noinline)) int recursive(int n) { if (n == 0) return 1; int x = recursive(n - 1); __asm__ volatile("" : "+r"(x)); return x + n; }
int itself(int n);
__asm__(".text\n.globl itself\n.type itself,@function\n"
    "itself: test %edi,%edi\n je 1f\n dec %edi\n jmp itself\n1: ret\n.size itself,.-itself\n");
static volatile int x;
int main(int argc, char **argv) { return at_start(&x) + behind_start(&x, argc) + recursive(argc) + itself(argc); }
"#;

#[test]
fn a_jump_to_the_first_instruction_is_told() {
    let program = Compiled::new(ROUNDS, &["-O2", "-fcf-protection=none"]);
    let objects = Objects::of_command(&program.path, "/".as_ref()).unwrap();
    for (function, begins_again) in [
        ("at_start", true),
        ("behind_start", false),
        ("recursive", false),
        ("itself", true),
    ] {
        let trigger = parse(&format!("ur:{function}")).unwrap();
        let found = resolve_with(&Kernel::running(), &trigger, &objects, ReturnProbes::AtEnds);
        let at = found.unwrap().begins_again;
        assert_eq!(at.is_some(), begins_again, "{function}: {at:?}");
        assert!(at.is_none_or(|at| at.starts_with(&format!("{function}+0x"))));
    }
}

/// Functions with so many changes of what is known of the registers, each of which copies all of it.
fn costly(functions: u32, jumps: u32) -> String {
    let mut text = String::from(".text\n.globl f\n.type f,@function\nf: .cfi_startproc\n");
    for jump in 0..jumps {
        text += &format!(" .byte 0x0f,0x85\n .long g{}-.-4\n", jump % functions);
    }
    text += " ret\n.cfi_endproc\n.size f,.-f\n.globl main\n.type main,@function\nmain: ret\n.size main,.-main\n";
    for number in 0..functions {
        text += &format!(
            ".type g{number},@function\ng{number}: .cfi_startproc\n .set i,17\n .rept 110\n .cfi_offset i,0\n .set i,i+1\n .endr\n"
        );
        text += &format!(
            " .rept 15000\n .cfi_remember_state\n .cfi_restore_state\n .endr\n nop\n ret\n.cfi_endproc\n.size g{number},.-g{number}\n"
        );
    }
    text + ".section .note.GNU-stack,\"\",@progbits\n"
}

#[test]
fn costly_unwind_tables_are_run_once_and_not_without_end() {
    let folder = Folder::new();
    for (functions, jumps, why) in [
        (1, 4000, "it does so at 4001 places"),
        (40, 40, "too large"),
    ] {
        let source = folder.write("program.S", costly(functions, jumps));
        let program = folder.join("program");
        run(Command::new("gcc").arg("-o").arg(&program).arg(source));
        let error = ends(&program, "f").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unprobeable);
        assert!(error.message.contains(why), "{error}");
    }
}
