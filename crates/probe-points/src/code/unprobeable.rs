//! Why the kernel puts no breakpoint on an instruction: it executes a copy of it elsewhere, and knows which may be copied
//! (arch/x86/kernel/uprobes.c and arch/arm64/kernel/probes/decode-insn.c in Linux).

use std::fs::File;
use std::os::unix::fs::FileExt;

use iced_x86::Code;
use object::elf::{EM_386, EM_X86_64};

use crate::code::machine::LONGEST_INSTRUCTION;
use crate::code::x86;
use crate::error::Result;
use crate::files::cache::read;
use crate::files::elf::Elf;

/// Of the instruction that the kernel has refused, at that offset of a file: what it is, after "it is ". `None`: nothing is known of it.
pub fn instruction(file: &File, offset: u64) -> Result<Option<&'static str>> {
    let elf = read(file, |data| Elf::parse(data))?;
    let bits = match elf.machine {
        EM_X86_64 => 64,
        EM_386 => 32,
        _ => return Ok(None),
    };
    let mut code = [0; LONGEST_INSTRUCTION as usize];
    let length = file.read_at(&mut code, offset).unwrap_or(0);
    Ok(of_x86(bits, &code[..length]))
}

fn of_x86(bits: u32, code: &[u8]) -> Option<&'static str> {
    /// es, cs, ss, ds; the last one also says `notrack`.
    const SEGMENTS: [u8; 4] = [0x26, 0x2e, 0x36, 0x3e];
    const LOCK: u8 = 0xf0;
    let Some(instruction) = x86::decode(bits, code, 0) else {
        return Some("no instruction that is known");
    };
    let prefixes = &code[..instruction.len().min(code.len())];
    let is_prefix = |byte: &&u8| {
        SEGMENTS.contains(byte) || matches!(**byte, LOCK | 0x64..=0x67 | 0xf2 | 0xf3 | 0x40..=0x4f)
    };
    let mut prefixes = prefixes.iter().take_while(is_prefix);
    if prefixes.clone().any(|byte| *byte == LOCK) {
        return Some("a locked instruction");
    }
    if prefixes.any(|byte| SEGMENTS.contains(byte)) {
        return Some("an instruction with the prefix of a segment, as `notrack` is one");
    }
    Some(match instruction.code() {
        Code::Int3 => "a breakpoint itself",
        Code::Int1 | Code::Int_imm8 | Code::Into => "an interrupt",
        Code::Syscall | Code::Sysenter => "a system call",
        _ if instruction.is_privileged() => "an instruction that user code may not execute",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of_x86;

    #[test]
    fn each_kind_is_named() {
        for (code, expected) in [
            (&[0xf0, 0xff, 0x05, 0, 0, 0, 0][..], Some("locked")),
            (&[0x3e, 0xff, 0xe0], Some("notrack")),
            (&[0xcc], Some("breakpoint")),
            (&[0xcd, 0x80], Some("interrupt")),
            (&[0xec], Some("may not")),
            (&[0x06], Some("no instruction")),
            (&[0x90], None),
        ] {
            let found = of_x86(64, code);
            assert_eq!(found.is_some(), expected.is_some(), "{code:x?}");
            let text = found.unwrap_or_default();
            assert!(text.contains(expected.unwrap_or_default()), "{text}");
        }
    }
}
