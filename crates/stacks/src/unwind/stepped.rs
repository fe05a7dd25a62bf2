//! How a step was made.

use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::walk::{End, FoundBy};

/// How the caller's registers were found.
pub struct Stepped {
    pub by: FoundBy,
    /// The function was a signal trampoline: the caller was interrupted, and did not call.
    pub is_signal: bool,
    /// No frame can be missing in between.
    pub is_certain: bool,
}

pub const fn called(by: FoundBy) -> Stepped {
    Stepped {
        by,
        is_signal: false,
        is_certain: true,
    }
}

/// To read a few bytes of a mapped file, in units of effort.
pub const READ_UNITS: u64 = 64;

/// How a walk ends that needs what is there, where the copy of the stack does not have it.
pub fn not_copied(address: u64, stack: &CopiedStack<'_>) -> End {
    match stack.is_cut_at(address) {
        true => End::CutStack,
        false => End::Invalid,
    }
}
