//! Programs whose files are laid out as few are, or whose code is not where the file has it. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use stacks::{End, Frame, Place};
use support::{CHAIN, Folder, OWN, PLAIN, Running, assert_chain, functions, run};

/// Without a C library: where it begins is `_start`, and it waits in a system call.
#[cfg(target_arch = "x86_64")]
const ALONE: &str = r#"
#define IN(name) __attribute__((noinline, section(name)))
static long wait_here(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(34L) : "rcx", "r11", "memory");
    return result;
}
volatile long sink;
IN(".hot") long hot_inner(void) { return wait_here() + sink; }
IN(".hot") long hot_outer(void) { return hot_inner() + sink; }
IN(".text") long cold(void) { return hot_outer() + sink; }
IN(".hot") void hot_first(void) { sink = cold(); }
void begin(void) { hot_first(); for (;;); }
__asm__(".globl _start\n_start: xor %ebp, %ebp\n call begin\n hlt");
"#;

/// Two executable segments, the second of which goes on in the file's page where the first one ends.
#[cfg(target_arch = "x86_64")]
const TWO_SEGMENTS: &str = r"
ENTRY(_start)
PHDRS {
    first PT_LOAD FILEHDR PHDRS FLAGS(5);
    second PT_LOAD FLAGS(5);
    data PT_LOAD FLAGS(6);
}
SECTIONS {
    . = 0x400000 + SIZEOF_HEADERS;
    .text : { *(.text) *(.text.*) } :first
    .eh_frame : { KEEP(*(.eh_frame)) } :first
    . = 0x500000 + (. & 0xfff);
    .hot : { *(.hot) } :second
    . = 0x600000 + (. & 0xfff);
    .data : { *(.data) *(.bss) } :data
}
";

#[test]
#[cfg(target_arch = "x86_64")]
fn two_executable_segments_in_one_page_of_the_file() {
    let folder = Folder::new();
    let script = folder.write("two.ld", TWO_SEGMENTS);
    let script = format!("-Wl,-T,{}", script.display());
    let flags = ["-O2", "-nostdlib", "-static", "-no-pie", "-ffreestanding"];
    let flags = [&flags[..], &["-Wl,--build-id=none", &script]].concat();
    let program = folder.compile("gcc", ALONE, &flags);
    let text = run(Command::new("readelf").arg("-lW").arg(&program));
    let pages: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("LOAD") && line.contains("R E"))
        .map(|line| line.split_ascii_whitespace().nth(1).unwrap())
        .map(|offset| &offset[..offset.len() - 3])
        .collect();
    assert!(pages.len() == 2 && pages[0] == pages[1], "{text}");
    let running = Running::start(&program);
    let (frames, end) = running.walk(running.pid);
    let found = functions(&frames);
    let wanted = ["hot_inner", "hot_outer", "cold", "hot_first", "begin"];
    assert_chain(&found, &wanted);
    assert_eq!(end, End::Complete, "{found:?}");
}

/// With its section headers cut off, as some packers do to save space.
fn without_sections(program: &Path) -> PathBuf {
    let mut bytes = std::fs::read(program).unwrap();
    let at = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
    let headers = usize::try_from(at(0x28)).unwrap();
    bytes[0x28..0x30].fill(0);
    // Their number, and which one has their names.
    bytes[0x3c..0x40].fill(0);
    bytes.truncate(headers);
    let path = program.with_extension("cut");
    std::fs::write(&path, &bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::metadata(program).unwrap().permissions()).unwrap();
    path
}

/// The build ids that frames are shown with.
fn build_ids(frames: &[Frame]) -> Vec<Option<Vec<u8>>> {
    let modules = frames.iter().filter_map(|frame| frame.place.module());
    modules
        .map(|module| module.build_id().map(<[u8]>::to_vec))
        .collect()
}

#[test]
fn a_file_without_section_headers_has_its_build_id_and_what_it_exports() {
    let folder = Folder::new();
    let source = CHAIN.replace("static ", "");
    // Both kinds of tables by which the loader looks symbols up.
    for style in ["gnu", "sysv"] {
        let style = format!("-Wl,--hash-style={style}");
        let flags = [&PLAIN[..], &["-rdynamic", &style]].concat();
        let program = folder.compile("gcc", &source, &flags);
        let cut = without_sections(&program);
        let whole = Running::start(&program);
        let running = Running::start(&cut);
        let (frames, end) = running.walk(running.pid);
        assert_eq!(end, End::Complete);
        assert_chain(&functions(&frames), &OWN);
        let (whole_frames, _) = whole.walk(whole.pid);
        assert_eq!(build_ids(&frames), build_ids(&whole_frames));
        assert!(build_ids(&frames)[1].is_some());
    }
}

/// At the end, with its folder if nobody else has something there.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

#[test]
fn a_file_without_section_headers_has_the_names_of_its_debug_file() {
    let folder = Folder::new();
    let id = format!("{:032x}", std::process::id());
    let build_id = format!("-Wl,--build-id=0x{id}");
    let flags = [&PLAIN[..], &[&build_id[..]]].concat();
    let program = folder.compile("gcc", CHAIN, &flags);
    let debug_folder = PathBuf::from("/usr/lib/debug/.build-id").join(&id[..2]);
    let debug_file = debug_folder.join(format!("{}.debug", &id[2..]));
    std::fs::create_dir_all(&debug_folder).unwrap();
    let _removed = Removed(&debug_file);
    run(Command::new("objcopy")
        .arg("--only-keep-debug")
        .args([&program, &debug_file]));
    run(Command::new("strip").arg(&program));
    let running = Running::start(&without_sections(&program));
    let (frames, end) = running.walk(running.pid);
    assert_eq!(end, End::Complete);
    assert_chain(&functions(&frames), &OWN);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_label_inside_of_a_function_is_none() {
    let folder = Folder::new();
    let source = r#"
#include <unistd.h>
volatile int sink;
__attribute__((noinline)) int inner(int x) {
    __asm__ volatile(".globl inside\ninside: nop");
    pause();
    __asm__ volatile(".globl after\nafter: nop");
    return x + sink;
}
__attribute__((noinline)) int outer(int x) { return inner(x) + sink; }
int main(int n, char **t) { sink = outer(n); return sink; }
/* A function of an assembler's, whose end nothing tells. */
__asm__(".text\n.globl plain\nplain: nop\n ret");
"#;
    for flags in [&["-O2"][..], &PLAIN[..]] {
        let program = folder.compile("gcc", source, flags);
        let running = Running::start(&program);
        let (frames, end) = running.walk(running.pid);
        assert_eq!(end, End::Complete);
        assert_chain(&functions(&frames), &["inner", "outer", "main"]);
        let mut symbolizer = stacks::Symbolizer::new();
        let inner = symbolizer.place(&frames[1].place, frames[1].pc);
        assert!((1..64).contains(&inner[0].offset), "{inner:?}");
        let module = frames[1].place.module().unwrap();
        let text = run(Command::new("nm").arg(&program));
        let line = text.lines().find(|line| line.ends_with(" plain")).unwrap();
        let plain = u64::from_str_radix(&line[..16], 16).unwrap();
        let found = symbolizer.module(module, plain + 1);
        assert_eq!(found[0].function.as_deref(), Some("plain"));
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn unwind_tables_of_the_debug_file() {
    let folder = Folder::new();
    // It never returns: neither its instructions nor a frame pointer lead to its caller.
    let source = r#"
#include <unistd.h>
__attribute__((noinline)) static void nap(void) { pause(); __asm__ volatile(""); }
__attribute__((noinline, noreturn)) static void serve(volatile int *p) {
    char room[600];
    for (;;) { p[0]++; __asm__ volatile("" :: "r"(room) : "memory"); nap(); }
}
__attribute__((noinline)) static void begin(int n) { volatile int k[4] = { n }; serve(k); }
int main(int n, char **t) { begin(n); return 0; }
"#;
    let flags = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    for packed in [false, true] {
        let program = folder.compile("gcc", source, &[&PLAIN[..], &flags].concat());
        let debug_file = folder.join("program.debug");
        let mut objcopy = Command::new("objcopy");
        objcopy.args(packed.then_some("--compress-debug-sections=zlib"));
        run(objcopy
            .arg("--only-keep-debug")
            .args([&program, &debug_file]));
        run(Command::new("strip").arg(&program));
        let link = format!("--add-gnu-debuglink={}", debug_file.display());
        run(Command::new("objcopy").arg(link).arg(&program));
        let running = Running::start(&program);
        let (frames, end) = running.walk(running.pid);
        assert_chain(&functions(&frames), &["nap", "serve", "begin", "main"]);
        assert_eq!(end, End::Complete);
        // Of another build it is not used.
        std::fs::write(&debug_file, "another").unwrap();
        let (frames, end) = running.walk(running.pid);
        assert_ne!(end, End::Complete);
        assert_eq!(frames.len(), 3);
    }
}

/// Moves its code to memory of no file, as for large pages.
const MOVED: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
static void move_code(void) {
    char line[512];
    unsigned long start = 0, end = 0, here = (unsigned long)move_code;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= here && here < end) break;
    fclose(maps);
    char *copy = mmap(0, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(copy, (void *)start, end - start);
    CHANGE
    mprotect(copy, end - start, PROT_READ | PROT_EXEC);
    mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start);
}
"#;

fn moved(folder: &Folder, change: &str, flags: &[&str]) -> Running {
    let main = "int main(int n, char **t) { move_code();";
    let source = [
        MOVED.replace("CHANGE", change),
        CHAIN.replace("int main(int n, char **t) {", main),
    ];
    let running =
        Running::start(&folder.compile("gcc", &source.concat(), &[&PLAIN[..], flags].concat()));
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", running.pid)).unwrap();
    let is_moved = |line: &str| line.contains("r-xp") && line.contains("program");
    assert!(!maps.lines().any(is_moved), "{maps}");
    running
}

#[test]
fn code_that_was_moved_to_memory_of_no_file_is_the_file_s() {
    let folder = Folder::new();
    moved(&folder, "", &[]).assert_like_gdb_and(&OWN);
    // Where it is all that is before its data.
    moved(&folder, "", &["-Wl,-z,noseparate-code"]).assert_like_gdb_and(&OWN);
}

#[test]
fn other_code_in_that_place_is_not() {
    let folder = Folder::new();
    // In what nothing runs.
    let running = moved(&folder, "memset(copy, 0xcc, 16);", &[]);
    let (frames, _) = running.walk(running.pid);
    let is_generated = |frame: &Frame| matches!(frame.place, Place::Generated { .. });
    assert!(frames[1..].iter().any(is_generated));
}
