//! What a walk finds.

use crate::mapped::process_maps::Place;

/// Deeper stacks are cut.
pub const MOST_FRAMES: usize = 512;

/// How a walk ended. All but [`End::Complete`] mean that callers are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the function that nothing has called: unwind information says so, a program, a thread or a goroutine begins there, or it returns
    /// to the address 0.
    Complete,
    /// The copy of the stack is too short, or does not hold the stack that a signal handler or a coroutine left.
    CutStack,
    /// A function has no unwind information, or none that can be followed, and no frame pointer that leads to a caller.
    NoUnwindInfo,
    /// No frame pointer leads on; where nothing else is looked at, that may be anywhere.
    NoFramePointer,
    /// An address where nothing is mapped, or a stack that does not go up: registers or stack were overwritten.
    Invalid,
    /// There are more than [`MOST_FRAMES`].
    TooDeep,
    /// To find the caller costs more than may be spent on it: by its unwind tables, or by what its process has cost before.
    TooCostly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// The first one.
    Registers,
    UnwindInfo,
    /// The function that it called has no unwind information: by what that does until it returns.
    Instructions,
    /// The same, by where frame pointers lead to: functions between them may be missing.
    FramePointer,
}

#[derive(Clone, Debug)]
pub struct Frame {
    /// The instruction that runs next in it.
    pub pc: u64,
    /// Nothing was called before it: it is where the thread was, or where a signal interrupted it, or a signal trampoline.
    /// Otherwise it is a return address, and the call is before it.
    pub is_exact: bool,
    pub found_by: FoundBy,
    /// Of the instruction itself or, of a return address, of the call's last byte: what is to be named.
    pub place: Place,
}

#[derive(Clone, Debug)]
pub struct Walk {
    /// Innermost first. The first is there even if nothing is mapped at its address.
    pub frames: Vec<Frame>,
    pub end: End,
}
