//! Where control goes from an instruction, on any machine.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of the instruction.
    pub bytes: u64,
    pub flow: Flow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To the next instruction, unless what is called never returns; `None`: what that is, a register or memory says.
    Call(Option<u64>),
    /// To the caller.
    Return,
    Jump(u64),
    /// There if the condition holds, else to the next instruction.
    Branch(u64, Condition),
    /// To where a word of memory at a fixed address points, as procedure linkage tables do.
    Pointer,
    /// To where a register or a computed place points: a table's entry, a label, or another function.
    Computed,
    /// It traps, or stops.
    Nowhere,
    /// To where no function's code goes on its own, as an interrupt's end.
    Foreign,
}

/// Whether a probe on a conditional jump can find out if it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// x86's near jump: the flags, as its second byte says. The breakpoint takes the place of the first.
    Readable,
    Unreadable,
}
