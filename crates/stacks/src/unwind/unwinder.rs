//! The walk from a thread's registers up to where its stack begins.

use crate::mapped::arch::Registers;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::step::Stepper;

/// Deeper stacks are cut.
pub const MOST_FRAMES: usize = 512;

/// How a walk ended. All but [`End::Complete`] mean that callers are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the function that nothing has called: unwind information says so, a program begins there, or a chain of frame
    /// pointers ends as it should, in zero.
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

/// Keeps what it has learned about instructions. It may walk stacks of any number of processes.
#[derive(Default)]
pub struct Unwinder {
    pub(crate) stepper: Stepper,
}

impl Unwinder {
    pub fn new() -> Self {
        Self::default()
    }

    /// `maps` are read again if an address is in none of them.
    pub fn unwind(
        &mut self,
        maps: &mut ProcessMaps,
        registers: &Registers,
        stack: CopiedStack<'_>,
    ) -> Walk {
        let mut frames: Vec<Frame> = Vec::with_capacity(32);
        let mut registers = registers.clone();
        let (mut is_exact, mut found_by) = (true, FoundBy::Registers);
        let end = loop {
            let pc = registers.pc;
            let lookup = pc.wrapping_sub(u64::from(!is_exact));
            let place = maps.find_or_refresh(lookup);
            if matches!(place, Place::Unknown) && !frames.is_empty() {
                break match found_by {
                    FoundBy::FramePointer => End::NoUnwindInfo,
                    _ if pc == 0 => End::Complete,
                    _ => End::Invalid,
                };
            }
            if frames.len() == MOST_FRAMES {
                break End::TooDeep;
            }
            frames.push(Frame {
                pc,
                is_exact,
                found_by,
                place,
            });
            let Some(frame) = frames.last_mut() else {
                break End::Invalid;
            };
            if matches!(frame.place, Place::Unknown) {
                break End::Invalid;
            }
            let before = registers.sp();
            let stepped = match self
                .stepper
                .step(maps, &frame.place, &mut registers, &stack)
            {
                Ok(stepped) => stepped,
                // The outermost frame is marked so.
                Err(End::NoUnwindInfo)
                    if found_by == FoundBy::FramePointer
                        && registers.get(registers.arch.fp()) == Some(0) =>
                {
                    break End::Complete;
                }
                // The handler had a stack of its own, and the copy is of that.
                Err(End::Invalid)
                    if is_exact
                        && found_by != FoundBy::Registers
                        && registers.sp().and_then(|sp| stack.word(sp)).is_none() =>
                {
                    break End::CutStack;
                }
                Err(end) => break end,
            };
            if stepped.is_signal {
                // Nothing was called in the trampoline: the kernel made the handler return to it.
                frame.is_exact = true;
                frame.place = maps.find(pc);
            } else if registers.sp() < before || (registers.sp() == before && !is_exact) {
                // Signal handlers may have stacks of their own, anywhere. A function that saves nothing may return to the
                // link register's value, but only where nothing was called.
                break End::Invalid;
            }
            (is_exact, found_by) = (stepped.is_signal, stepped.by);
        };
        Walk { frames, end }
    }
}
