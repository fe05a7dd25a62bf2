//! Files of a few kilobytes that are made to cost much: what they take is counted, and bounded, and what others need is left.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stacks::{
    Allotment, CopiedStack, Effort, End, Modules, ProcessMaps, Registers, SymbolFrame, Symbolizer,
    Unwinder, Walk,
};
use support::{Folder, Mapped, run, section};

const FRAMES: usize = 400;

/// One function whose entry has rules for over a hundred registers, and remembers and restores them so many times. A rule is an
/// expression.
fn slow_to_unwind(folder: &Folder, name: &str, pairs: usize) -> PathBuf {
    let source = format!(
        r#"
        .text
        .globl slow
slow:   .cfi_startproc
        .cfi_def_cfa 7, 8
        .cfi_escape 0x16, 3, 1, 0x30
        .set i, 17
        .rept 110
        .cfi_offset i, 0
        .set i, i + 1
        .endr
        .rept {pairs}
        .cfi_remember_state
        .cfi_restore_state
        .endr
        .space 4096, 0x90
        .cfi_endproc
        "#
    );
    assembled(folder, name, &source)
}

fn assembled(folder: &Folder, name: &str, source: &str) -> PathBuf {
    let source = folder.write(&format!("{name}.s"), source);
    let program = folder.join(name);
    run(Command::new("gcc")
        .args(["-nostdlib", "-shared", "-Wl,--build-id", "-o"])
        .arg(&program)
        .arg(source));
    program
}

/// Walks stacks on which each word leads into the middle of what is mapped.
struct Walker {
    modules: Arc<Modules>,
    maps: Option<ProcessMaps>,
    unwinder: Unwinder,
}

impl Walker {
    fn new() -> Self {
        Self {
            modules: Arc::new(Modules::default()),
            maps: None,
            unwinder: Unwinder::new(),
        }
    }

    fn walk(&mut self, mapped: &Mapped, effort: &mut Effort) -> Walk {
        let pc = (mapped.start + mapped.length / 2) as u64;
        let base = 0x7ffc_0000_0000;
        let bytes: Vec<u8> = std::iter::repeat_n(pc.to_le_bytes(), FRAMES)
            .flatten()
            .collect();
        let stack = CopiedStack {
            base,
            bytes: &bytes,
        };
        let open = || ProcessMaps::open(std::process::id(), &self.modules).unwrap();
        let maps = self.maps.get_or_insert_with(open);
        let registers = Registers::x86_64(pc, base, 0);
        self.unwinder.unwind_within(maps, &registers, stack, effort)
    }
}

#[test]
fn an_entry_is_run_once_for_all_frames_and_stacks() {
    let folder = Folder::new();
    let mapped = Mapped::program(&slow_to_unwind(&folder, "slow", 20_000));
    let mut walker = Walker::new();
    let mut effort = Effort::unlimited();
    let first = walker.walk(&mapped, &mut effort);
    assert_eq!(first.end, End::CutStack);
    assert_eq!(first.frames.len(), FRAMES + 1);
    // The first frame is at the address, all others are just after it: twice, and no more.
    let run_twice = effort.spent();
    assert!((1_300_000..1_500_000).contains(&run_twice), "{run_twice}");
    for _ in 0..100 {
        let again = walker.walk(&mapped, &mut effort);
        assert_eq!(again.frames.len(), FRAMES + 1);
    }
    // An expression of one operation for each frame.
    assert_eq!(effort.spent() - run_twice, 100 * (FRAMES as u64 + 1));
}

#[test]
fn an_entry_that_costs_too_much_is_not_run() {
    let folder = Folder::new();
    let mapped = Mapped::program(&slow_to_unwind(&folder, "slow", 120_000));
    let mut walker = Walker::new();
    let mut effort = Effort::unlimited();
    for _ in 0..10 {
        let walk = walker.walk(&mapped, &mut effort);
        assert_eq!((walk.end, walk.frames.len()), (End::TooCostly, 1));
    }
    // To find out is some ten thousand steps, once.
    assert!(effort.spent() < 200_000, "{}", effort.spent());
}

#[test]
fn what_one_file_has_cost_another_still_has() {
    let folder = Folder::new();
    let costly = Mapped::program(&slow_to_unwind(&folder, "costly", 20_000));
    let cheap = Mapped::program(&slow_to_unwind(&folder, "cheap", 10));
    let mut walker = Walker::new();
    // Half of it is for a file.
    let mut effort = Effort::new(1_000_000, 2000, 1 << 30);
    let mut frames_of = |walker: &mut Walker, mapped: &Mapped, at_s: u64| {
        effort.at(at_s * 1_000_000_000);
        let walk = walker.walk(mapped, &mut effort);
        (walk.frames.len(), walk.end)
    };
    for _ in 0..3 {
        // The first address was looked at; that was more than the half.
        let found = frames_of(&mut walker, &costly, 0);
        assert_eq!(found, (1, End::TooCostly));
    }
    let whole = (FRAMES + 1, End::CutStack);
    assert_eq!(frames_of(&mut walker, &cheap, 0), whole);
    // What is missing comes back: a file has a thousand in a second.
    let found = frames_of(&mut walker, &costly, 1000);
    assert_eq!(found, (2, End::TooCostly));
    assert_eq!(frames_of(&mut walker, &costly, 2000), whole);
}

#[test]
fn the_same_stack_costs_the_same() {
    let folder = Folder::new();
    let mapped = Mapped::program(&slow_to_unwind(&folder, "slow", 1000));
    let spent = || {
        let mut effort = Effort::unlimited();
        Walker::new().walk(&mapped, &mut effort);
        effort.spent()
    };
    assert_eq!(spent(), spent());
}

/// A frame of zstd that stands for so many zeros.
fn zstd(mut zeros: u32) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    while zeros > 0 {
        let count = zeros.min(1 << 17);
        zeros -= count;
        let block = count << 3 | 2 | u32::from(zeros == 0);
        bytes.extend_from_slice(&block.to_le_bytes()[..3]);
        bytes.push(0);
    }
    bytes
}

/// A library of a few kilobytes with three debug sections, each of which becomes so many bytes.
fn bomb(folder: &Folder, name: &str, bytes: u32) -> PathBuf {
    const COMPRESSED: u64 = 0x800;
    let text = ".text\n.globl called\n.type called, @function\ncalled: .space 4096, 0x90\n.size called, 4096\n";
    let program = assembled(folder, name, text);
    let header = [2u32.to_le_bytes(), [0; 4]].concat();
    let sizes = [u64::from(bytes).to_le_bytes(), 1u64.to_le_bytes()].concat();
    let packed = folder.join("packed");
    std::fs::write(&packed, [header, sizes, zstd(bytes)].concat()).unwrap();
    let names = [".debug_info", ".debug_abbrev", ".debug_str"];
    let mut add = Command::new("objcopy");
    for name in names {
        add.arg(format!("--add-section={name}={}", packed.display()));
    }
    run(add.arg(&program));
    let mut file = std::fs::read(&program).unwrap();
    let word = |file: &[u8], at: usize| u64::from_le_bytes(*file[at..].first_chunk().unwrap());
    let headers = word(&file, 40) as usize;
    for name in names {
        let (offset, _) = section(&program, name);
        // Its header, by where it is.
        let at = (headers..file.len())
            .step_by(64)
            .find(|&at| word(&file, at + 24) == offset as u64);
        file[at.unwrap() + 8..][..8].copy_from_slice(&COMPRESSED.to_le_bytes());
    }
    std::fs::write(&program, file).unwrap();
    program
}

fn named(symbolizer: &mut Symbolizer, maps: &ProcessMaps, mapped: &Mapped) -> SymbolFrame {
    let place = maps.find((mapped.start + mapped.length / 2) as u64);
    symbolizer.place(&place, 0)[0].clone()
}

fn all_mapped(programs: &[PathBuf]) -> (Vec<Mapped>, ProcessMaps) {
    let path = |program: &PathBuf| Mapped::program(Path::new(program));
    let mapped = programs.iter().map(path).collect();
    let maps = ProcessMaps::open(std::process::id(), &Arc::default()).unwrap();
    (mapped, maps)
}

#[test]
fn many_files_that_unpack_to_much_share_what_there_is() {
    const EACH: u64 = 30 << 20;
    const ALL: u64 = 64 << 20;
    let folder = Folder::new();
    let programs: Vec<PathBuf> = (0..6)
        .map(|number| bomb(&folder, &format!("bomb-{number}"), EACH as u32 / 3))
        .collect();
    assert!(std::fs::metadata(&programs[0]).unwrap().len() < 50_000);
    let (mapped, maps) = all_mapped(&programs);
    let mut symbolizer = Symbolizer::new();
    let allotment = || Allotment {
        bytes: ALL,
        ..Allotment::unlimited()
    };
    symbolizer.begin_sample();
    symbolizer.allot(allotment());
    for one in &mapped {
        // From the symbol table, which is small.
        let frame = named(&mut symbolizer, &maps, one);
        assert_eq!(frame.function.as_deref(), Some("called"));
    }
    // One was unpacked; for another, three quarters of the rest are not enough.
    let one_was_unpacked = ALL - EACH - (1 << 20)..=ALL - EACH;
    let left = symbolizer.allot(Allotment::unlimited()).bytes;
    assert!(one_was_unpacked.contains(&left), "{left}");
    let problems = symbolizer.take_problems();
    let refused = problems
        .iter()
        .filter(|line| line.contains("takes more memory than is left for this sample"));
    assert_eq!(refused.count(), 5, "{problems:?}");
    // The next sample goes on with them.
    symbolizer.begin_sample();
    symbolizer.allot(allotment());
    for one in &mapped {
        named(&mut symbolizer, &maps, one);
    }
    let left = symbolizer.allot(Allotment::unlimited()).bytes;
    assert!(one_was_unpacked.contains(&left), "{left}");
}

#[test]
fn whoever_does_not_want_to_wait_does_not() {
    let folder = Folder::new();
    let (mapped, maps) = all_mapped(&[bomb(&folder, "bomb", 10 << 20)]);
    let is_ended = Arc::new(AtomicBool::new(true));
    let mut symbolizer = Symbolizer::new();
    symbolizer.allot(Allotment {
        bytes: 1 << 30,
        is_ended: Arc::clone(&is_ended),
        ..Allotment::unlimited()
    });
    let frame = named(&mut symbolizer, &maps, &mapped[0]);
    assert_eq!(frame.function, None);
    assert!(frame.module.unwrap().path.ends_with("/bomb"));
    // It is asked for again when there is time.
    is_ended.store(false, Ordering::Relaxed);
    let frame = named(&mut symbolizer, &maps, &mapped[0]);
    assert_eq!(frame.function.as_deref(), Some("called"));
    assert!(symbolizer.allot(Allotment::unlimited()).bytes < 1 << 30);
}

/// Each byte of it would become a row of sixteen.
#[test]
fn a_unit_with_too_many_lines_costs_its_file_the_debug_information() {
    for (rows, has_lines) in [(1 << 20, true), (17 << 20, false)] {
        let folder = Folder::new();
        let source = format!(
            r#"
        .text
        .globl called
        .type called, @function
called: .space 4096, 0x90
end:    .size called, 4096
        .section .debug_line,"",@progbits
lines:  .long lines_end - version
version: .short 4
        .long program - after
after:  .byte 1, 1, 1, -5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1
        .byte 0
        .asciz "lines.c"
        .byte 0, 0, 0, 0
program: .byte 0, 9, 2
        .quad called
        .fill {rows}, 1, 0x20
        .byte 2
        .uleb128 5000
        .byte 0, 1, 1
lines_end:
        .section .debug_abbrev,"",@progbits
        .uleb128 1, 0x11
        .byte 0
        .uleb128 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0, 0, 0
        .section .debug_info,"",@progbits
        .long unit_end - unit
unit:   .short 4
        .long 0
        .byte 8
        .uleb128 1
        .quad called, 4096
        .long 0
unit_end:
        "#
        );
        let (mapped, maps) = all_mapped(&[assembled(&folder, "lines", &source)]);
        let mut symbolizer = Symbolizer::new();
        let frame = named(&mut symbolizer, &maps, &mapped[0]);
        assert_eq!(frame.function.as_deref(), Some("called"));
        let problems = symbolizer.take_problems();
        let is_left_out = problems.iter().any(|line| line.contains("left out"));
        assert_eq!(!is_left_out, has_lines, "{problems:?}");
    }
}

/// As the shares of many targets are, before what is left is for those whose share was not enough.
#[test]
fn what_a_share_was_not_enough_for_is_asked_for_again() {
    const EACH: u64 = 30 << 20;
    let folder = Folder::new();
    let (mapped, maps) = all_mapped(&[bomb(&folder, "bomb", EACH as u32 / 3)]);
    let mut symbolizer = Symbolizer::new();
    let bytes = |bytes| Allotment {
        bytes,
        ..Allotment::unlimited()
    };
    symbolizer.begin_sample();
    symbolizer.try_again(true);
    symbolizer.allot(bytes(EACH));
    for _ in 0..2 {
        let frame = named(&mut symbolizer, &maps, &mapped[0]);
        assert_eq!(frame.function.as_deref(), Some("called"));
        assert!(symbolizer.was_cut());
    }
    // Only what is not tried again is told.
    assert!(symbolizer.take_problems().is_empty());
    symbolizer.try_again(false);
    symbolizer.allot(bytes(2 * EACH));
    named(&mut symbolizer, &maps, &mapped[0]);
    assert!(!symbolizer.was_cut());
    assert!(symbolizer.allot(Allotment::unlimited()).bytes <= EACH);
    let problems = symbolizer.take_problems();
    assert!(
        !problems
            .iter()
            .any(|line| line.contains("is left for this sample"))
    );
}
