//! Unwind tables, symbols, registers and stacks with wrong bytes: no panic, and all in bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stacks::{
    CopiedStack, MOST_FRAMES, Modules, Place, ProcessMaps, Registers, SymbolFrame, Symbolizer,
    Unwinder,
};
use support::{Folder, Mapped, executable, run, section};

const SOURCE: &str = r#"
#include <algorithm>
#include <functional>
#include <string>
#include <vector>
struct Part { virtual ~Part() {} virtual int f(int x) { return x; } };
struct Other : Part { int f(int x) override { std::string s(x, 'x'); return s.size() + Part::f(x); } };
int aligned(int n) { alignas(64) char room[128] = {}; char *more = (char *)__builtin_alloca(n); more[0] = n; return room[n] + more[0]; }
int main(int n, char **) {
    std::vector<int> v(n, 3);
    std::sort(v.begin(), v.end(), [](int a, int b) { return a > b; });
    std::function<int(int)> f = [&](int x) { Other o; try { return o.f(x) + aligned(x); } catch (...) { return 1; } };
    return f(v[0]);
}
"#;

/// Small, fast, and the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

fn walk_everywhere(
    maps: &mut ProcessMaps,
    mapped: &Mapped,
    random: &mut Random,
    symbolizer: &mut Option<Symbolizer>,
) {
    let mut unwinder = Unwinder::new();
    let base = 0x7ffc_0000_0000;
    let mut bytes = vec![0; 4096];
    for _ in 0..20 {
        for word in bytes.chunks_exact_mut(8) {
            let value = match random.below(4) {
                0 => base + random.below(4096),
                1 => random.next(),
                _ => mapped.start as u64 + random.below(mapped.length as u64),
            };
            word.copy_from_slice(&value.to_le_bytes());
        }
        let pc = mapped.start as u64 + random.below(mapped.length as u64);
        let sp = base + random.below(512) * 8;
        let registers = Registers::x86_64(pc, sp, base + random.below(4200));
        let registers = (0..16).fold(registers, |all, number| match number {
            6 | 7 => all,
            _ => all.with(number, random.next()),
        });
        let stack = CopiedStack {
            base,
            bytes: &bytes,
        };
        let begin = Instant::now();
        let walk = unwinder.unwind(maps, &registers, stack);
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert!((1..=MOST_FRAMES).contains(&walk.frames.len()));
        if let Some(symbolizer) = symbolizer {
            for frame in walk.frames.iter().take(5) {
                assert!(!symbolizer.place(&frame.place, frame.pc).is_empty());
            }
        }
    }
}

fn corrupted(sections: &[&str], times: usize, with_symbols: bool) {
    let folder = Folder::new();
    let program = folder.compile("g++", SOURCE, &["-O2", "-g"]);
    corrupted_program(&folder, &program, sections, times, with_symbols);
}

fn corrupted_program(
    folder: &Folder,
    program: &Path,
    sections: &[&str],
    times: usize,
    with_symbols: bool,
) {
    let whole = std::fs::read(program).unwrap();
    let places: Vec<(usize, usize)> = sections.iter().map(|name| section(program, name)).collect();
    let (offset, length) = executable(program);
    let modules = Arc::new(Modules::default());
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut problems = 0;
    let begin = Instant::now();
    for time in 0..times {
        let mut bytes = whole.clone();
        // The first time, as it was.
        for _ in 0..if time > 0 { 1 << random.below(7) } else { 0 } {
            let (offset, length) = places[random.below(places.len() as u64) as usize];
            let at = offset + random.below(length as u64) as usize;
            bytes[at] = match random.below(3) {
                0 => 0xff,
                1 => bytes[at] ^ (1 << random.below(8)),
                _ => random.next() as u8,
            };
        }
        let path = folder.join(&format!("corrupt-{time}"));
        std::fs::write(&path, bytes).unwrap();
        let mapped = Mapped::new(&File::open(&path).unwrap(), offset, length);
        std::fs::remove_file(&path).unwrap();
        let mut maps = ProcessMaps::open(std::process::id(), &modules).unwrap();
        let found = maps.find(mapped.start as u64 + (length / 2) as u64);
        let is_whole = !matches!(found, Place::Generated { .. });
        assert!(is_whole || sections.contains(&".shstrtab"));
        let mut symbolizer = with_symbols.then(Symbolizer::new);
        walk_everywhere(&mut maps, &mapped, &mut random, &mut symbolizer);
        // What blazesym stumbles over is said, and costs lines, not names.
        problems += symbolizer.map_or(0, |mut it| it.take_problems().len());
    }
    println!(
        "{problems} problems; {times} files took {:?}",
        begin.elapsed()
    );
    assert!(begin.elapsed() < Duration::from_secs(120));
}

#[test]
fn wrong_unwind_tables() {
    corrupted(&[".eh_frame", ".eh_frame_hdr"], 1000, false);
}

#[test]
fn wrong_symbols_and_debug_information() {
    let sections = [
        ".symtab",
        ".strtab",
        ".dynsym",
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".debug_rnglists",
        ".debug_str",
        ".debug_aranges",
    ];
    corrupted(&sections, 200, true);
}

/// What instructions do with the stack is followed where there are no tables.
#[test]
fn wrong_instructions_without_unwind_tables() {
    let folder = Folder::new();
    let program = folder.compile("g++", SOURCE, &["-O2"]);
    let mut remove = Command::new("objcopy");
    run(remove
        .args(["-R", ".eh_frame", "-R", ".eh_frame_hdr"])
        .arg(&program));
    corrupted_program(&folder, &program, &[".text"], 1000, false);
}

#[test]
fn wrong_names_of_sections() {
    corrupted(&[".shstrtab", ".note.gnu.build-id"], 50, true);
}

/// Without end, blazesym alone overflows the thread's stack.
#[test]
fn deeply_nested_inlined_calls() {
    let frame = innermost_of_nested(2_000_000);
    assert_eq!(frame.function.as_deref(), Some("main"));
    assert_eq!(frame.source, None);
    let frame = innermost_of_nested(250);
    assert_eq!(frame.function.as_deref(), Some("deep"));
    assert_eq!(frame.source.unwrap().line, Some(7));
}

fn innermost_of_nested(depth: usize) -> SymbolFrame {
    let folder = Folder::new();
    // One subprogram, and in it inlined subroutines that hold each other.
    let source = format!(
        r#"
        .text
        .globl main
        .file 1 "deep.c"
main:   .loc 1 7
        ud2
        .space 4096
end:
        .section .debug_line,"",@progbits
lines:
        .section .debug_abbrev,"",@progbits
        .uleb128 1, 0x11
        .byte 1
        .uleb128 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0, 0
        .uleb128 2, 0x2e
        .byte 1
        .uleb128 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0, 0
        .uleb128 3, 0x1d
        .byte 1
        .uleb128 0, 0
        .byte 0
        .section .debug_info,"",@progbits
        .long unit_end - unit
unit:   .short 4
        .long 0
        .byte 8
        .uleb128 1
        .quad main, end - main
        .long lines
        .uleb128 2
        .asciz "deep"
        .quad main, end - main
        .fill {depth}, 1, 3
        .fill {depth}, 1, 0
        .byte 0, 0
unit_end:
        "#
    );
    let assembler = folder.write("deep.s", &source);
    let program = folder.join("deep");
    run(Command::new("gcc")
        .args(["-nostdlib", "-Wl,-e,main", "-Wl,--build-id", "-o"])
        .arg(&program)
        .arg(assembler));
    let (offset, length) = executable(&program);
    let mapped = Mapped::new(&File::open(&program).unwrap(), offset, length);
    let maps = ProcessMaps::open(std::process::id(), &Arc::default()).unwrap();
    let place = maps.find(mapped.start as u64 + (length - 64) as u64);
    Symbolizer::new().place(&place, 0)[0].clone()
}
