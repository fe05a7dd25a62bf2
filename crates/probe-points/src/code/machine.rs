//! Instructions of the machine that a file is for.

use iced_x86::Mnemonic;
use object::elf::{EM_386, EM_AARCH64, EM_X86_64};

use crate::code::flow::Step;
use crate::code::{arm64, x86};

/// Of x86, in bytes; other machines' are shorter.
pub const LONGEST_INSTRUCTION: u64 = 15;

/// Of the instruction that `code` begins with, at that address; `None`: there is none, or none that is known.
pub fn step(machine: u16, code: &[u8], address: u64) -> Option<Step> {
    match machine {
        EM_X86_64 => x86::step(64, code, address),
        EM_386 => x86::step(32, code, address),
        EM_AARCH64 => arm64::step(code, address),
        _ => None,
    }
}

pub fn is_nop(machine: u16, code: &[u8]) -> bool {
    let bits = match machine {
        EM_X86_64 => 64,
        EM_386 => 32,
        EM_AARCH64 => return arm64::word(code) == Some(arm64::NOP),
        _ => return false,
    };
    x86::decode(bits, code, 0).is_some_and(|it| it.mnemonic() == Mnemonic::Nop)
}

/// The word at a fixed address that says where the jump leads which `code` begins with.
pub fn pointer(machine: u16, code: &[u8], address: u64) -> Option<u64> {
    match machine {
        EM_X86_64 => x86::pointer(64, code, address),
        EM_386 => x86::pointer(32, code, address),
        _ => None,
    }
}
