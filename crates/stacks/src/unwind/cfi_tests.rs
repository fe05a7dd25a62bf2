//! Unwind information made by hand: what compilers write for either processor, and what they never would.

use std::time::{Duration, Instant};

use gimli::Register;

use crate::mapped::arch::{Arch, Registers};
use crate::mapped::tables::Tables;
use crate::unwind::cfi::{self, Context};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::expression::Failure;
use crate::unwind::rules::Rule;

const START: u64 = 0x1000;
const STACK: u64 = 0x7000_0000;

/// One function of 256 bytes from `START` on.
fn tables(arch: Arch, augmentation: &[u8], common: &[u8], own: &[u8]) -> Tables {
    let (code_alignment, ra) = match arch {
        Arch::X86_64 => (1, 16),
        Arch::Aarch64 => (4, 30),
    };
    let mut section = Vec::new();
    let mut push = |body: &[u8]| {
        let length = body.len().next_multiple_of(8) + 4;
        section.extend((length as u32).to_le_bytes());
        section.extend(body);
        section.resize(section.len().next_multiple_of(4), 0);
        let rest = length - (body.len().next_multiple_of(4));
        section.extend(std::iter::repeat_n(0, rest));
        section.len()
    };
    // Absolute addresses, in eight bytes.
    let head = [&[0, 0, 0, 0, 1][..], augmentation, &[0]].concat();
    let numbers = [code_alignment, 0x78, ra, 1, 0];
    let end = push(&[&head[..], &numbers, common].concat());
    let back = (end as u32 + 4).to_le_bytes();
    let range = [START.to_le_bytes(), 256u64.to_le_bytes()].concat();
    push(&[&back[..], &range, &[0], own].concat());
    Tables::of_eh_frame(arch, section, 0)
}

fn rule(tables: &Tables, address: u64) -> Rule {
    cfi::rule(tables, &mut Context::new(), address, &mut 0)
}

fn stack(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn compact(tables: &Tables, registers: &mut Registers, words: &[u64]) {
    let Rule::Compact(rule) = rule(tables, START + 8) else {
        panic!("not compact");
    };
    let bytes = stack(words);
    let stack = CopiedStack {
        base: STACK,
        bytes: &bytes,
    };
    rule.apply(registers, &stack).unwrap();
}

#[test]
fn x86_64_saves_what_it_calls_with() {
    // CFA = rsp + 16, the return address at CFA - 8, rbp at CFA - 16.
    let own = [0x0c, 7, 16, 0x80 | 16, 1, 0x80 | 6, 2];
    let tables = tables(Arch::X86_64, b"zR", &[], &own);
    let mut registers = Registers::x86_64(START + 8, STACK, 5);
    compact(&tables, &mut registers, &[0x55, 0x1234]);
    assert_eq!(registers.pc, 0x1234);
    assert_eq!(registers.sp(), Some(STACK + 16));
    assert_eq!(registers.get(Register(6)), Some(0x55));
}

#[test]
fn aarch64_signs_return_addresses() {
    // After `paciasp`, `stp x29, x30, [sp, #-32]!`.
    let own = [0x2d, 0x0c, 31, 32, 0x80 | 29, 4, 0x80 | 30, 3];
    let tables = tables(Arch::Aarch64, b"zR", &[0x0c, 31, 0], &own);
    let mut registers = Registers::aarch64(START + 8, STACK, 5, 7);
    let signed = 0x0034_ffff_1234_5678;
    compact(&tables, &mut registers, &[STACK + 64, signed, 1, 2]);
    assert_eq!(registers.pc, 0xffff_1234_5678);
    assert_eq!(registers.sp(), Some(STACK + 32));
    assert_eq!(registers.get(Register(29)), Some(STACK + 64));
}

#[test]
fn aarch64_returns_to_the_link_register() {
    let tables = tables(Arch::Aarch64, b"zR", &[0x0c, 31, 0], &[]);
    let mut registers = Registers::aarch64(START + 8, STACK, 5, 0x4321);
    compact(&tables, &mut registers, &[]);
    assert_eq!(registers.pc, 0x4321);
    assert_eq!(registers.sp(), Some(STACK));
    assert_eq!(registers.get(Register(29)), Some(5));
}

/// A function that was found by a frame pointer: how much its caller has below the record, nothing says.
#[test]
fn aarch64_frame_records_tell_where_the_frame_is() {
    // `stp x29, x30, [sp, #-32]!`.
    let own = [0x0c, 31, 32, 0x80 | 29, 4, 0x80 | 30, 3];
    let tables = tables(Arch::Aarch64, b"zR", &[0x0c, 31, 0], &own);
    let mut registers = Registers::aarch64(START + 8, STACK - 64, STACK + 16, 7);
    registers.set_sp_above_record(STACK - 64);
    assert_eq!(registers.get(Register(30)), None);
    compact(&tables, &mut registers, &[1, 2, STACK + 64, 0x1234, 3, 4]);
    assert_eq!(registers.pc, 0x1234);
    assert_eq!(registers.sp(), Some(STACK + 48));
    assert_eq!(registers.get(Register(29)), Some(STACK + 64));
}

#[test]
fn where_nothing_has_called() {
    // The return address is undefined.
    for (arch, ra) in [(Arch::X86_64, 16), (Arch::Aarch64, 30)] {
        let tables = tables(arch, b"zR", &[0x0c, 7, 8], &[0x07, ra]);
        let found = rule(&tables, START);
        assert!(matches!(found, Rule::Complete), "{found:?}");
        let found = rule(&tables, START + 256);
        assert!(matches!(found, Rule::NoEntry(None)), "{found:?}");
    }
}

fn evaluated(expression: &[u8], words: &[u64]) -> Result<(Registers, bool), Failure> {
    // The CFA by an expression, the return address at CFA - 8; of a signal trampoline.
    let head = [0x0f, expression.len() as u8];
    let own = [&head[..], expression, &[0x80 | 16, 1]].concat();
    let tables = tables(Arch::X86_64, b"zRS", &[], &own);
    let Rule::Complex(rule) = rule(&tables, START) else {
        panic!("not complex");
    };
    let bytes = stack(words);
    let stack = CopiedStack {
        base: STACK,
        bytes: &bytes,
    };
    let registers = Registers::x86_64(START, STACK, STACK + 8);
    rule.apply(&tables, &registers, &stack)
}

#[test]
fn expressions_read_registers_and_the_stack() {
    // *(rbp - 8), as in functions that align their stack anew.
    let (registers, is_signal) = evaluated(&[0x76, 0x78, 0x06], &[STACK + 16, 0x1234]).unwrap();
    assert_eq!(registers.sp(), Some(STACK + 16));
    assert_eq!(registers.pc, 0x1234);
    assert!(is_signal);
    // *(rsp + 16), beyond the copy.
    let failed = evaluated(&[0x77, 16, 0x06], &[1, 2]).unwrap_err();
    assert_eq!(failed, Failure::NotCopied(STACK + 16));
    // A register that is not known.
    assert_eq!(evaluated(&[0x73, 0], &[]).unwrap_err(), Failure::Other);
}

#[test]
fn endless_expressions_end() {
    let begin = Instant::now();
    // A jump to itself; one that grows the stack of values; one that reads on and on.
    for expression in [
        &[0x2f, 0xfd, 0xff][..],
        &[0x30, 0x2f, 0xfc, 0xff],
        &[0x77, 0, 0x06, 0x13, 0x2f, 0xf9, 0xff],
        &[0x14, 0xff],
        &[],
    ] {
        assert_eq!(evaluated(expression, &[1, 2]).unwrap_err(), Failure::Other);
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[test]
fn long_entries_are_not_run() {
    // Each row as long as the one before.
    let own = vec![0x0a; 300_000];
    let tables = tables(Arch::X86_64, b"zR", &[0x0c, 7, 8], &own);
    let found = rule(&tables, START);
    assert!(matches!(found, Rule::NoEntry(None)), "{found:?}");
}

/// Few bytes that would copy a row of many rules over and over.
#[test]
fn entries_that_cost_too_much_are_not_run() {
    // Rules for many registers, and then states that are remembered and given back at once.
    let rules: Vec<u8> = (17..120).flat_map(|register| [0x05, register, 0]).collect();
    let repeated = |count: usize| [0x0a, 0x0b].repeat(count);
    let own = |count| [&rules[..], &repeated(count)].concat();
    let costs = |own: &[u8]| {
        let tables = tables(Arch::X86_64, b"zR", &[0x0c, 7, 8, 0x80 | 16, 1], own);
        let mut units = 0;
        let found = cfi::rule(&tables, &mut Context::new(), START, &mut units);
        (matches!(found, Rule::TooCostly), units)
    };
    let (is_too_costly, units) = costs(&own(1000));
    assert!(!is_too_costly);
    // Each pair is a copy and a step.
    assert!((33_000..34_000).contains(&units), "{units}");
    let (is_too_costly, units) = costs(&own(120_000));
    assert!(is_too_costly);
    // What is counted is not run: a unit for each instruction up to there.
    assert!(units < 70_000, "{units}");
}

/// What entries have in common is parsed for each of them.
#[test]
fn what_is_in_common_is_short() {
    for (length, is_known) in [(1000, true), (100_000, false)] {
        let augmentation = [b"zR".to_vec(), vec![b'S'; length]].concat();
        let tables = tables(
            Arch::X86_64,
            &augmentation,
            &[0x0c, 7, 8, 0x80 | 16, 1],
            &[],
        );
        let mut units = 0;
        let found = cfi::rule(&tables, &mut Context::new(), START, &mut units);
        assert_eq!(!matches!(found, Rule::NoEntry(None)), is_known, "{found:?}");
        assert!(units < 1000, "{units}");
    }
}

#[test]
fn expressions_that_go_back_cost_all_that_they_may_do() {
    let units = |expression: &[u8]| {
        let head = [0x0f, expression.len() as u8];
        let own = [&head[..], expression, &[0x80 | 16, 1]].concat();
        let tables = tables(Arch::X86_64, b"zR", &[], &own);
        match rule(&tables, START) {
            Rule::Complex(rule) => rule.units(),
            other => panic!("{other:?}"),
        }
    };
    // *(rbp - 8); a jump to itself.
    assert_eq!(units(&[0x76, 0x78, 0x06]), 2);
    assert_eq!(units(&[0x2f, 0xfd, 0xff]), 1000);
}
