//! Files that are cut, or whose bytes are wrong: an error or fewer names, never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;

use probe_points::elf::Elf;
use probe_points::{Functions, Objects, Point, notes};
use proptest::prelude::*;
use support::{Folder, points, run};

const SOURCE: &str = r#"
#include <sys/sdt.h>
int inner(int x) { DTRACE_PROBE1(app, probe, x); return x + 1; }
int chooses(int x) { switch (x) { case 0: return inner(3); case 1: return x * 7; case 2: return -x; case 3: return inner(x) + 1; case 4: return 9; default: return 0; } }
int main(int n, char **t) { return inner(n); }
"#;

/// As far as it goes.
fn read(bytes: &[u8]) -> usize {
    let Ok(elf) = Elf::parse(bytes) else {
        return 0;
    };
    let mut functions = Functions::default();
    let added = functions.add(&elf, bytes);
    functions.sort();
    let places = functions
        .iter()
        .filter(|function| elf.code_offset(function.address).is_some());
    let probes = notes(&elf, bytes).map_or(0, |notes| notes.len());
    let _ = elf.build_id(bytes);
    places.count() + probes + usize::from(added.is_ok())
}

fn programs(folder: &Folder) -> Vec<Vec<u8>> {
    let program = folder.compile("gcc", "program", SOURCE, &[]);
    let whole = std::fs::read(&program).unwrap();
    run(Command::new("strip").arg(&program));
    vec![whole, std::fs::read(&program).unwrap()]
}

#[test]
fn a_file_may_be_cut_anywhere() {
    let folder = Folder::new();
    for whole in programs(&folder) {
        assert!(read(&whole) > 1);
        for length in (0..whole.len()).step_by(64) {
            let cut = folder.write("cut", &whole[..length]);
            read(&whole[..length]);
            // The same through a file, and what the process's objects make of it.
            if let Ok(objects) = Objects::of_command(&cut, "/".as_ref()) {
                for trigger in ["up:inner", "u:app:probe", "up:0x1139", "ur:chooses"] {
                    let _ = points(&objects, trigger);
                }
            }
        }
    }
}

#[test]
fn any_byte_of_the_headers_may_be_wrong() {
    let folder = Folder::new();
    for whole in programs(&folder) {
        let mut bytes = whole.clone();
        let sections = u64::from_le_bytes(whole[40..48].try_into().unwrap()) as usize;
        for at in (0..1024).chain(sections..whole.len()) {
            for value in [0, 1, 0x7f, 0xff] {
                bytes[at] = value;
                read(&bytes);
            }
            bytes[at] = whole[at];
        }
    }
}

#[test]
fn sizes_that_a_file_announces_are_not_believed() {
    let folder = Folder::new();
    let program = folder.compile("gcc", "program", SOURCE, &[]);
    // A hole of 8 EiB less a page is a file's largest; this filesystem's may be less.
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&program)
        .unwrap();
    let longest = [i64::MAX as u64 - 4096, (16 << 40) - 4096, 1 << 40];
    longest
        .iter()
        .find(|&&length| file.set_len(length).is_ok())
        .unwrap();
    // Every section as large as a tebibyte.
    use std::os::unix::fs::FileExt;
    let mut header = [0; 64];
    file_read(&program, &mut header, 0);
    let table = u64::from_le_bytes(header[40..48].try_into().unwrap());
    let count = u16::from_le_bytes(header[60..62].try_into().unwrap());
    for section in 0..u64::from(count) {
        file.write_all_at(&(1u64 << 39).to_le_bytes(), table + section * 64 + 32)
            .unwrap();
    }
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    let error = points(&objects, "up:inner").unwrap_err();
    assert!(error.message.contains("larger than"), "{error}");
}

fn file_read(path: &std::path::Path, bytes: &mut [u8], at: u64) {
    use std::os::unix::fs::FileExt;
    std::fs::File::open(path)
        .unwrap()
        .read_exact_at(bytes, at)
        .unwrap();
}

/// Where it would return, of a file whose code and unwind tables are what somebody makes them.
fn ends_somewhere(folder: &Folder, bytes: &[u8]) {
    let file = folder.write("changed", bytes);
    let objects = Objects::of_command(&file, "/".as_ref()).unwrap();
    for trigger in ["ur:chooses", "ur:inner", "ur:main"] {
        for point in points(&objects, trigger).into_iter().flatten() {
            let Point::User { offset, .. } = point else {
                panic!("{point:?}");
            };
            assert!(offset < bytes.len() as u64);
        }
    }
}

#[test]
fn any_code_is_followed_or_refused() {
    let folder = Folder::new();
    let [whole, _] = programs(&folder).try_into().unwrap();
    let elf = Elf::parse(&whole[..]).unwrap();
    let of = |name: &[u8]| {
        let section = elf.section(name).unwrap();
        section.offset as usize..(section.offset + section.bytes) as usize
    };
    let (text, tables) = (of(b".text"), of(b".eh_frame"));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let change = (any::<bool>(), any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 1..40);
    let checked = runner.run(&changes, |changes| {
        let mut bytes = whole.clone();
        for (is_code, at, byte) in changes {
            let range = if is_code {
                text.clone()
            } else {
                tables.clone()
            };
            bytes[range.start + at.index(range.len())] = byte;
        }
        ends_somewhere(&folder, &bytes);
        Ok(())
    });
    checked.unwrap();
}

/// A function of a megabyte, made to take as long as it can: and it ends.
#[test]
fn code_that_is_made_to_take_long_does_not() {
    let folder = Folder::new();
    for (line, is_followed) in [
        // Jumps by a register.
        (".rept 500000\njmp *%rax\n.endr", false),
        // Code that no way leads to, in half a million pieces.
        (".rept 400000\nret\nnop\n.endr", false),
        // Jumps to half a million functions.
        (".rept 150000\nje elsewhere\n.endr\nret", false),
        // Addresses of tables that may be.
        (
            ".rept 140000\nlea elsewhere(%rip),%rax\n.endr\njmp *%rax",
            true,
        ),
    ] {
        let source = format!(
            ".text\n.globl main\n.type main,@function\nmain: .cfi_startproc\n{line}\n.cfi_endproc\n.size main,.-main\n\
             .section .text.elsewhere,\"ax\"\n.rept 1000\nnop\n.endr\nelsewhere: ret\n.section .note.GNU-stack,\"\",@progbits\n"
        );
        let file = folder.write("long.S", source);
        let program = folder.join("long");
        run(Command::new("gcc").arg("-o").arg(&program).arg(file));
        let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
        let found = points(&objects, "ur:main");
        assert_eq!(found.is_ok(), is_followed, "{line}: {found:?}");
    }
}
