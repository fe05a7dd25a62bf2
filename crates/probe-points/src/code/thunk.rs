//! What stands in for a jump by a register where processors are not to guess it (`-mindirect-branch=thunk`, retpolines): a jump to a piece of
//! code that puts the register in the place of a return address, and returns.

use iced_x86::{Mnemonic, OpKind, Register};
use object::elf::EM_X86_64;

use crate::code::by_address::ByAddress;
use crate::code::flow::Flow;
use crate::code::walk::Walk;
use crate::code::x86;

const NAMES: [&[u8]; 2] = [b"__x86_indirect_thunk", b"__llvm_retpoline_"];

/// From its start to its return.
const MOST_BYTES: usize = 64;

impl Walk<'_> {
    /// Whether what is jumped to there jumps by a register.
    pub fn is_thunk(&self, to: u64) -> bool {
        let named = |symbols: &ByAddress<'_>| {
            symbols.at(to).iter().any(|it| {
                let name = symbols.functions.name(it);
                NAMES.iter().any(|thunk| name.starts_with(thunk))
            })
        };
        self.symbols.as_ref().is_some_and(named) || self.looks_like_thunk(to).unwrap_or(false)
    }

    /// `call 1f; 0: pause; lfence; jmp 0b; 1: mov %rax,(%rsp); ret`.
    fn looks_like_thunk(&self, to: u64) -> Option<bool> {
        if self.machine != EM_X86_64 {
            return None;
        }
        let code = self.read(to, MOST_BYTES)?;
        let at = |address: u64| {
            let rest = code.get(usize::try_from(address.checked_sub(to)?).ok()?..)?;
            x86::decode(64, rest, address)
        };
        let Flow::Call(Some(inner)) = x86::step(64, &code, to)?.flow else {
            return None;
        };
        let replaces = at(inner)?;
        let puts = replaces.mnemonic() == Mnemonic::Mov
            && replaces.op0_kind() == OpKind::Memory
            && replaces.memory_base() == Register::RSP
            && replaces.memory_index() == Register::None
            && replaces.memory_displacement64() == 0;
        let drops =
            replaces.mnemonic() == Mnemonic::Lea && replaces.op0_register() == Register::RSP;
        Some((puts || drops) && at(replaces.next_ip())?.mnemonic() == Mnemonic::Ret)
    }
}
