//! Where the stack and the frame pointer are, as a function's instructions change them (x86-64).

use gimli::Register;
use iced_x86::{Instruction, Register as Named};

use crate::mapped::arch::Arch;
use crate::unwind::rules::Compact;

const RETURN_ADDRESS: Register = Register(16);

/// A value that one of the two registers had at the begin, and so much.
#[derive(Clone, Copy, PartialEq)]
pub struct Sum {
    pub base: Named,
    pub offset: i64,
}

impl Sum {
    pub fn plus(self, more: i64) -> Self {
        Self {
            offset: self.offset.wrapping_add(more),
            ..self
        }
    }
}

#[derive(Clone, Copy)]
pub enum FramePointer {
    Is(Sum),
    /// Has been read from there.
    From(Sum),
    Unknown,
}

#[derive(Clone, Copy)]
pub struct State {
    pub address: u64,
    pub sp: Sum,
    pub fp: FramePointer,
}

/// That an operand in memory has, without an index.
pub fn address_of(instruction: &Instruction, state: &State) -> Option<Sum> {
    let base = match (instruction.memory_base(), state.fp) {
        (Named::RSP, _) => state.sp,
        (Named::RBP, FramePointer::Is(sum)) => sum,
        _ => return None,
    };
    let is_plain = instruction.memory_index() == Named::None;
    is_plain.then(|| base.plus(instruction.memory_displacement64() as i64))
}

/// With the return address on top of the stack; whoever returns takes so many bytes of arguments off it.
pub fn compact(state: &State, arguments: u16) -> Option<Compact> {
    let number = |register| match register {
        Named::RBP => Arch::X86_64.fp(),
        _ => Arch::X86_64.sp(),
    };
    let above = i64::from(arguments);
    let cfa = state.sp.plus(8 + above);
    let mut compact = Compact::new(number(cfa.base), cfa.offset, RETURN_ADDRESS)?;
    compact.push(RETURN_ADDRESS, -8 - above)?;
    match state.fp {
        FramePointer::Is(Sum {
            base: Named::RBP,
            offset: 0,
        }) => {}
        FramePointer::From(at) if at.base == cfa.base => {
            compact.push(Arch::X86_64.fp(), at.offset.wrapping_sub(cfa.offset))?;
        }
        // Whoever returns has given it back.
        _ => return None,
    }
    Some(compact)
}
