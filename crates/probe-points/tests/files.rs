//! Files that have been stripped, deleted, replaced or hidden, and names that lie.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use probe_points::{ErrorKind, Objects, Point};
use support::{Folder, Running, WAIT, file_offset, nm, offset, points, refusal, run};

fn source() -> String {
    format!(
        "{WAIT}static __attribute__((noinline)) int inner(int x) {{ return x + 1; }}\n\
         int main(int n, char **t) {{ inner(n); wait_to_be_killed(); }}"
    )
}

/// Where `inner` is, before its name is stripped.
fn program(folder: &Folder) -> (std::path::PathBuf, u64) {
    let program = folder.compile("gcc", "program", &source(), &["-Wl,--build-id", "-g"]);
    let expected = file_offset(&program, nm(&program, "inner")[0]);
    (program, expected)
}

fn objcopy(arguments: &[&OsStr]) {
    run(Command::new("objcopy").args(arguments));
}

#[test]
fn a_stripped_program_has_addresses_only() {
    let folder = Folder::new();
    let (program, expected) = program(&folder);
    let address = nm(&program, "inner")[0];
    run(Command::new("strip").arg(&program));
    let running = Running::start(&program);
    let objects = running.objects();
    let error = refusal(&objects, "up:inner");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.hint.unwrap().contains("stripped"));
    assert_eq!(offset(&objects, &format!("up:{address:#x}")), expected);
}

#[test]
fn a_debug_file_brings_the_names_back() {
    let folder = Folder::new();
    let (program, expected) = program(&folder);
    let debug = folder.join("program.debug");
    objcopy(&[
        "--only-keep-debug".as_ref(),
        program.as_ref(),
        debug.as_ref(),
    ]);
    run(Command::new("strip").arg(&program));
    let link = format!("--add-gnu-debuglink={}", debug.display());
    objcopy(&[link.as_ref(), program.as_ref()]);
    let found = || {
        let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
        points(&objects, "up:inner").map(|_| offset(&objects, "up:inner"))
    };
    assert_eq!(found(), Ok(expected));
    std::fs::create_dir(folder.join(".debug")).unwrap();
    std::fs::rename(&debug, folder.join(".debug/program.debug")).unwrap();
    assert_eq!(found(), Ok(expected));
    // A file of that name whose checksum is another's.
    let mut bytes = std::fs::read(folder.join(".debug/program.debug")).unwrap();
    bytes.push(0);
    std::fs::write(folder.join(".debug/program.debug"), bytes).unwrap();
    assert_eq!(found().unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_debug_file_is_found_by_the_build_id_in_the_process_s_root() {
    let folder = Folder::new();
    let (program, expected) = program(&folder);
    let notes = run(Command::new("readelf").arg("-n").arg(&program));
    let line = notes
        .lines()
        .find(|line| line.contains("Build ID:"))
        .unwrap();
    let id = line.rsplit(' ').next().unwrap();
    let (start, rest) = id.split_at(2);
    let below = folder.join(&format!("usr/lib/debug/.build-id/{start}"));
    std::fs::create_dir_all(&below).unwrap();
    let debug = below.join(format!("{rest}.debug"));
    objcopy(&[
        "--only-keep-debug".as_ref(),
        program.as_ref(),
        debug.as_ref(),
    ]);
    run(Command::new("strip").arg(&program));
    let objects = Objects::of_command("/program".as_ref(), folder.path()).unwrap();
    assert_eq!(offset(&objects, "up:inner"), expected);
    // Another file's symbols under that name are not taken.
    objcopy(&[
        "--remove-section=.note.gnu.build-id".as_ref(),
        debug.as_ref(),
    ]);
    let objects = Objects::of_command("/program".as_ref(), folder.path()).unwrap();
    assert_eq!(refusal(&objects, "up:inner").kind, ErrorKind::NotFound);
}

#[test]
fn packed_symbols_are_unpacked() {
    let folder = Folder::new();
    let (program, expected) = program(&folder);
    let small = folder.join("small");
    // As Fedora's packages are made: the symbol table without the debug information.
    objcopy(&[
        "-S".as_ref(),
        "--keep-symbol=inner".as_ref(),
        program.as_ref(),
        small.as_ref(),
    ]);
    run(Command::new("xz").arg("-k").arg(&small));
    run(Command::new("strip").arg(&program));
    let section = format!(".gnu_debugdata={}", folder.join("small.xz").display());
    objcopy(&["--add-section".as_ref(), section.as_ref(), program.as_ref()]);
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    assert_eq!(offset(&objects, "up:inner"), expected);
}

#[test]
fn a_deleted_or_replaced_program_is_still_the_one_that_runs() {
    let folder = Folder::new();
    let (program, expected) = program(&folder);
    let inode = std::fs::metadata(&program).unwrap().ino();
    let running = Running::start(&program);
    let path = program.display();
    std::fs::remove_file(&program).unwrap();
    let check = |objects: &Objects| {
        for trigger in ["up:inner", "up:program:inner", &format!("up:{path}:inner")] {
            let found = points(objects, trigger).unwrap();
            let [Point::User { file, offset, .. }] = &found[..] else {
                panic!("{found:?}");
            };
            assert_eq!(
                (file.metadata().unwrap().ino(), *offset),
                (inode, expected),
                "{trigger}"
            );
        }
    };
    let objects = running.objects();
    assert_eq!(objects.problems(), [""; 0]);
    check(&objects);
    folder.compile(
        "gcc",
        "program",
        "int inner(void) { return 1; } int main(void) {}",
        &["-no-pie"],
    );
    check(&running.objects());
}

#[test]
fn a_program_of_another_mount_namespace_is_found() {
    let folder = Folder::new();
    let (program, expected) = program(&folder);
    let hidden = folder.join("hidden");
    std::fs::create_dir(&hidden).unwrap();
    let script = format!(
        "mount -t tmpfs none {0} && cp {1} {0}/program && exec {0}/program",
        hidden.display(),
        program.display()
    );
    let running = Running::command(Command::new("unshare").args(["--mount", "sh", "-c", &script]));
    assert!(!hidden.join("program").exists());
    // A trap at the same path on this side.
    folder.compile(
        "gcc",
        "trap",
        "int inner(void) { return 1; } int main(void) {}",
        &[],
    );
    std::fs::copy(folder.join("trap"), hidden.join("program")).unwrap();
    let objects = running.objects();
    assert_eq!(offset(&objects, "up:inner"), expected);
    let path = hidden.join("program");
    assert_eq!(
        offset(&objects, &format!("up:{}:inner", path.display())),
        expected
    );
    // What is not mapped is looked up on the process's side, too.
    let script = format!("up:{}/nothing:f", hidden.display());
    assert_eq!(refusal(&objects, &script).kind, ErrorKind::NotFound);
}

#[test]
fn a_library_that_is_not_loaded_is_named_by_its_path() {
    let folder = Folder::new();
    folder.compile(
        "gcc",
        "later.so",
        "int later(void) { return 1; }",
        &["-shared", "-fPIC"],
    );
    std::os::unix::fs::symlink(folder.join("later.so"), folder.join("link.so")).unwrap();
    let (program, _) = program(&folder);
    let running = Running::start(&program);
    let objects = running.objects();
    let expected = file_offset(
        &folder.join("later.so"),
        nm(&folder.join("later.so"), "later")[0],
    );
    for name in ["later.so", "link.so"] {
        let trigger = format!("up:{}:later", folder.join(name).display());
        assert_eq!(offset(&objects, &trigger), expected);
    }
    let hint = refusal(&objects, "up:later.so:later").hint.unwrap();
    assert!(hint.contains("absolute path"), "{hint}");
    let device = refusal(&objects, "up:/dev/zero:f");
    assert!(device.message.contains("not a regular file"), "{device}");
    assert_eq!(
        refusal(&objects, "up:/etc/passwd:f").kind,
        ErrorKind::Unprobeable
    );
}

#[test]
fn names_may_hold_anything() {
    for name in [
        &b"a (deleted)"[..],
        b"new\nline",
        b"back\\012slash",
        b"colon:colon",
        b"\xff\x1b[2J",
        b" space ",
        b"7f00-7f01 r-xp 0 08:01 9 x",
    ] {
        let folder = Folder::new();
        let (program, expected) = program(&folder);
        let renamed = folder.path().join(OsStr::from_bytes(name));
        std::fs::rename(&program, &renamed).unwrap();
        let running = Running::start(&renamed);
        for deleted in [false, true] {
            if deleted {
                std::fs::remove_file(&renamed).unwrap();
            }
            let objects = running.objects();
            let own = objects.program().unwrap();
            assert_eq!(own.base_name(), name);
            assert_eq!(offset(&objects, "up:inner"), expected);
            let base =
                probe_points::ObjectName::new(probe_points::Name::new(name).unwrap()).unwrap();
            assert_eq!(offset(&objects, &format!("up:{base}:inner")), expected);
            let error = refusal(&objects, &format!("up:{base}:none"));
            assert!(!error.to_string().contains('\x1b') && !error.message.contains('\n'));
        }
    }
}

#[test]
fn a_process_that_is_gone_is_an_error() {
    let error = Objects::of_process(0x7fff_ffff).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = Objects::of_command(Path::new("/no/such"), Path::new("/")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn code_that_the_process_has_moved_elsewhere_is_refused() {
    let folder = Folder::new();
    let source = format!(
        r#"#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
{WAIT}
__attribute__((noinline)) int work(int x) {{ return x + 3; }}
static void move_code(void) {{
    char line[512];
    unsigned long start = 0, end = 0, here = (unsigned long)move_code;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= here && here < end) break;
    fclose(maps);
    char *copy = mmap(0, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(copy, (void *)start, end - start);
    mprotect(copy, end - start, PROT_READ | PROT_EXEC);
    mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start);
}}
int main(int n, char **t) {{ if (n > 1) move_code(); work(n); wait_to_be_killed(); }}
"#
    );
    let program = folder.compile("gcc", "program", &source, &["-O1"]);
    let at_home = Running::start(&program);
    assert_eq!(points(&at_home.objects(), "up:work").unwrap().len(), 1);
    let moved = Running::command(Command::new(&program).arg("move"));
    for trigger in ["up:work", "ur:work", "up:program:work+0"] {
        let error = refusal(&moved.objects(), trigger);
        assert_eq!(error.kind, ErrorKind::Unprobeable, "{error}");
        assert!(error.message.contains("moved its code"), "{error}");
    }
    // Its libraries are where they were.
    assert_eq!(
        points(&moved.objects(), "up:libc.so.6:getpid")
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_file_without_section_headers_has_the_functions_that_it_exports() {
    let folder = Folder::new();
    let source = format!(
        "{WAIT}\nint exported(int x) {{ return x + 1; }}\nint main(void) {{ return (wait_to_be_killed(), 0); }}"
    );
    for style in ["gnu", "sysv", "both"] {
        let style = format!("-Wl,--hash-style={style}");
        let program = folder.compile("gcc", "program", &source, &["-rdynamic", &style]);
        let expected = file_offset(&program, nm(&program, "exported")[0]);
        let mut bytes = std::fs::read(&program).unwrap();
        // Where they are, and then how many, and which one has their names.
        bytes[0x28..0x30].fill(0);
        bytes[0x3c..0x40].fill(0);
        let cut = folder.write("cut", &bytes);
        run(Command::new("chmod").arg("755").arg(&cut));
        let running = Running::start(&cut);
        assert_eq!(offset(&running.objects(), "up:exported"), expected);
    }
}

/// `f`, and what runs instead of it once the program has patched itself.
const PATCHED: &str = r#"
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
__attribute__((noinline)) long f(long n) { volatile long room[4] = { n, n + 1, n + 2, n + 3 }; return room[n & 3]; }
__attribute__((noinline)) long other(long n) { __asm__ volatile(""); return n * 2; }
static void protect(int how) { mprotect((void *)((uintptr_t)f & ~4095ul), 8192, how); }
int main(int n, char **t) {
    if (n > 1) protect(PROT_READ | PROT_WRITE | PROT_EXEC);
    if (n > 1 && t[1][0] == 'p') {
        unsigned char jump[5] = { 0xe9 };
        int32_t distance = (char *)other - ((char *)f + 5);
        memcpy(jump + 1, &distance, 4);
        memcpy((void *)f, jump, 5);
        protect(PROT_READ | PROT_EXEC);
    }
    other(f(n));
    wait_to_be_killed();
}
"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn code_that_the_process_has_patched_or_may_patch_is_refused() {
    let folder = Folder::new();
    let source = format!("{WAIT}{PATCHED}");
    let program = folder.compile("gcc", "program", &source, &["-O1"]);
    let at_home = Running::start(&program);
    assert_eq!(points(&at_home.objects(), "up:f").unwrap().len(), 1);
    for (argument, why) in [
        ("patched", "patched its code"),
        ("writable", "may write to it"),
    ] {
        let running = Running::command(Command::new(&program).arg(argument));
        for trigger in ["up:f", "up:program:f+0x0"] {
            let error = refusal(&running.objects(), trigger);
            assert_eq!(error.kind, ErrorKind::Unprobeable, "{error}");
            assert!(error.message.contains(why), "{argument}: {error}");
        }
    }
    // Only the first of its instructions is another one.
    let patched = Running::command(Command::new(&program).arg("patched"));
    assert_eq!(points(&patched.objects(), "up:other").unwrap().len(), 1);
}

#[test]
fn a_process_that_has_just_begun_has_none_of_its_libraries() {
    let folder = Folder::new();
    let program = folder.compile("gcc", "program", &source(), &[]);
    let running = Running::start(&program);
    assert!(!running.objects().lacks_libraries());
    let alone = folder.compile("gcc", "alone", &source(), &["-static"]);
    assert!(!Running::start(&alone).objects().lacks_libraries());
    // Stopped by its tracer where it begins, with its loader mapped.
    let traced = "set startup-with-shell off\nstarti\npython print('PID', gdb.selected_inferior().pid); import sys; sys.stdout.flush(); sys.stdin.readline()";
    let script = folder.write("begin.gdb", traced);
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-x"]).arg(script).arg(&program);
    let mut gdb = gdb
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(gdb.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(output).map(Result::unwrap);
    let pid = lines.find_map(|line| line.strip_prefix("PID ")?.parse().ok());
    let objects = Objects::of_process(pid.unwrap()).unwrap();
    let lacks_libraries = objects.lacks_libraries();
    // Its stdin is over: it ends, and its program with it.
    drop(gdb.stdin.take());
    gdb.wait().unwrap();
    assert!(lacks_libraries);
}
