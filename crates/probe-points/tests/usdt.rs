//! USDT probes of real programs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;

use probe_points::{ErrorKind, Objects, Point};
use support::{Folder, Running, WAIT, bytes_at, file_offset, nm, object, points, refusal};

const PROGRAM: &str = r#"
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short app_guarded_semaphore __attribute__((section(".probes")));
unsigned short app_several_semaphore __attribute__((section(".probes")));
__attribute__((noinline)) static void work(int x) { STAP_PROBE1(app, guarded, x); }
int main(int count, char **texts) {
    work(count); STAP_PROBE2(app, several, count, texts);
    if (count > 1) STAP_PROBE2(app, several, count, texts);
    wait_to_be_killed();
}
"#;

const NOP: u8 = 0x90;

#[test]
fn probes_are_on_nops_with_their_semaphores() {
    let folder = Folder::new();
    for options in [&[][..], &["-no-pie"], &["-O2"]] {
        let program = folder.compile("gcc", "program", &format!("{WAIT}{PROGRAM}"), options);
        let running = Running::start(&program);
        let objects = running.objects();
        let found = points(&objects, "u:app:several").unwrap();
        assert_eq!(found.len(), 2, "{options:?}");
        let guarded = points(&objects, "u:program:app:guarded").unwrap();
        assert_eq!(guarded.len(), 1);
        let counter = |name: &str| file_offset(&program, nm(&program, name)[0]);
        for (point, semaphore) in found
            .iter()
            .map(|point| (point, "app_several_semaphore"))
            .chain(guarded.iter().map(|point| (point, "app_guarded_semaphore")))
        {
            let Point::User {
                ref_ctr_offset,
                is_return,
                ..
            } = point
            else {
                panic!("{point:?}");
            };
            assert_eq!(*ref_ctr_offset, counter(semaphore));
            assert!(!is_return);
            if cfg!(target_arch = "x86_64") {
                assert_eq!(bytes_at(point, 1), [NOP]);
            }
        }
        drop(running);
    }
}

#[test]
fn a_probe_without_semaphore_has_none() {
    let folder = Folder::new();
    let source = format!(
        "{WAIT}#include <sys/sdt.h>\nint main(int n, char **t) {{ DTRACE_PROBE1(app, plain, n); wait_to_be_killed(); }}"
    );
    let program = folder.compile("gcc", "program", &source, &[]);
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    let found = points(&objects, "usdt:app:plain").unwrap();
    assert!(matches!(
        found[..],
        [Point::User {
            ref_ctr_offset: 0,
            ..
        }]
    ));
    let error = refusal(&objects, "u:app:plane");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.hint.unwrap().contains("u:app:plain"));
    let note = &object(&objects, "program").usdt_notes().unwrap()[0];
    assert!(note.arguments.contains(&b'@'), "{note:?}");
}

#[test]
fn stripping_and_prelinking_leave_the_probes() {
    let folder = Folder::new();
    let program = folder.compile("gcc", "program", &format!("{WAIT}{PROGRAM}"), &["-no-pie"]);
    let before = offsets(&Objects::of_command(&program, "/".as_ref()).unwrap());
    support::run(Command::new("strip").arg(&program));
    assert_eq!(
        offsets(&Objects::of_command(&program, "/".as_ref()).unwrap()),
        before
    );
}

fn offsets(objects: &Objects) -> Vec<(u64, u64)> {
    let found = points(objects, "u:app:several").unwrap();
    found
        .iter()
        .map(|point| match point {
            Point::User {
                offset,
                ref_ctr_offset,
                ..
            } => (*offset, *ref_ctr_offset),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_system_s_libraries_have_theirs() {
    let python = Objects::of_command("/usr/bin/python3".as_ref(), "/".as_ref()).unwrap();
    for trigger in [
        "u:python:function__entry",
        "u:python3.11:python:function__return",
    ] {
        let found = points(&python, trigger).unwrap();
        assert!(!found.is_empty());
        for point in &found {
            assert!(matches!(point, Point::User { ref_ctr_offset, .. } if *ref_ctr_offset != 0));
            if cfg!(target_arch = "x86_64") {
                assert_eq!(bytes_at(point, 1), [NOP]);
            }
        }
    }
    let folder = Folder::new();
    let source = format!(
        "{WAIT}#include <iostream>\nint main() {{ std::cout.flush(); wait_to_be_killed(); }}"
    );
    let running = Running::start(&folder.compile("g++", "program", &source, &[]));
    let found = points(&running.objects(), "u:libstdcxx:throw").unwrap();
    assert_eq!(found.len(), 1);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn thirty_two_bits_are_read_as_well() {
    // A 32-bit object needs neither libraries nor a linker of that kind.
    let folder = Folder::new();
    let source =
        "#include <sys/sdt.h>\nvoid _start(void) { DTRACE_PROBE1(app, small, 5); for (;;); }";
    let program = folder.compile(
        "gcc",
        "program",
        source,
        // Debian's own folder, which holds no headers of 32-bit libraries, has <sys/sdt.h>.
        &[
            "-m32",
            "-idirafter/usr/include/x86_64-linux-gnu",
            "-nostdlib",
            "-static",
            "-fno-pie",
            "-no-pie",
        ],
    );
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    let found = points(&objects, "u:app:small").unwrap();
    assert_eq!(bytes_at(&found[0], 1), [NOP]);
    let start = support::run(Command::new("nm").arg(&program));
    let line = start
        .lines()
        .find(|line| line.ends_with(" _start"))
        .unwrap();
    let address = u64::from_str_radix(&line[..8], 16).unwrap();
    assert_eq!(
        support::offset(&objects, "up:_start"),
        file_offset(&program, address)
    );
}
