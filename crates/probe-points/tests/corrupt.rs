//! Files that are cut, or whose bytes are wrong: an error or fewer names, never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;

use probe_points::elf::Elf;
use probe_points::{Functions, Objects, notes};
use support::{Folder, points, run};

const SOURCE: &str = r#"
#include <sys/sdt.h>
int inner(int x) { DTRACE_PROBE1(app, probe, x); return x + 1; }
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
                for trigger in ["up:inner", "u:app:probe", "up:0x1139"] {
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
