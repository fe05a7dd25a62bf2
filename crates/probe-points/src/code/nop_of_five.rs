//! Instructions of five bytes that do nothing: Linux 6.18 makes a call of one that is probed (`can_optimize` in arch/x86/kernel/uprobes.c).
//! The call and what it leads to write below the stack pointer, where a function that calls nothing may keep what it computes (the red
//! zone: x86-64 psABI, 3.2.2). Before a function's first instruction nothing is kept there.

use iced_x86::{Mnemonic, OpKind, Register};
use object::elf::EM_X86_64;

use crate::code::x86;

const CALL_BYTES: usize = 5;

/// Whether the kernel may make a call of what `code` begins with.
pub fn becomes_call(machine: u16, code: &[u8]) -> bool {
    if machine != EM_X86_64 {
        return false;
    }
    let Some(it) = x86::decode(64, code, 0).filter(|it| it.len() == CALL_BYTES) else {
        return false;
    };
    // `lea 0(%rsi),%rsi` is padding of assemblers.
    let leaves_as_is = it.mnemonic() == Mnemonic::Lea
        && it.op1_kind() == OpKind::Memory
        && it.memory_base() == it.op0_register()
        && it.memory_index() == Register::None
        && it.memory_displacement64() == 0;
    it.mnemonic() == Mnemonic::Nop || leaves_as_is
}

#[cfg(test)]
mod tests {
    use object::elf::{EM_386, EM_X86_64};

    use super::becomes_call;

    #[test]
    fn only_nops_of_five_bytes_do() {
        for (code, expected) in [
            (&[0x0f, 0x1f, 0x44, 0, 0][..], true),
            (&[0x66, 0x0f, 0x1f, 0x40, 0], true),
            (&[0x48, 0x8d, 0x74, 0x26, 0], true),
            (&[0x48, 0x8d, 0x74, 0x24, 0], false),
            (&[0x0f, 0x1f, 0x40, 0, 0xc3], false),
            (&[0xe8, 0, 0, 0, 0], false),
            (&[0x90, 0x90, 0x90, 0x90, 0x90], false),
        ] {
            assert_eq!(becomes_call(EM_X86_64, code), expected, "{code:x?}");
            assert!(!becomes_call(EM_386, code));
        }
    }
}
