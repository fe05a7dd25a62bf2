//! The walk from a thread's registers up to where its stack begins.

use crate::mapped::arch::Registers;
use crate::mapped::effort::Effort;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::beginnings::is_in_go;
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::step::Stepper;
use crate::unwind::walk::{End, FoundBy, Frame, MOST_FRAMES, Walk};

/// Keeps what it has learned about instructions. It may walk stacks of any number of processes.
#[derive(Default)]
pub struct Unwinder {
    pub(crate) stepper: Stepper,
}

impl Unwinder {
    pub fn new() -> Self {
        Self::default()
    }

    /// However much that costs.
    pub fn unwind(
        &mut self,
        maps: &mut ProcessMaps,
        registers: &Registers,
        stack: CopiedStack<'_>,
    ) -> Walk {
        self.unwind_within(maps, registers, stack, &mut Effort::unlimited())
    }

    /// `maps` are read again if an address is in none of them.
    pub fn unwind_within(
        &mut self,
        maps: &mut ProcessMaps,
        registers: &Registers,
        stack: CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Walk {
        let mut frames: Vec<Frame> = Vec::with_capacity(32);
        let mut registers = registers.clone();
        let (mut is_exact, mut found_by) = (true, FoundBy::Registers);
        let (mut is_certain, mut by_tables_alone) = (true, true);
        let end = loop {
            let pc = registers.pc;
            let lookup = pc.wrapping_sub(u64::from(!is_exact));
            let place = maps.find_or_refresh(lookup);
            // What a signal has interrupted may be a call to anywhere.
            if matches!(place, Place::Unknown) && !is_exact {
                break match found_by {
                    // What instructions tell is no more than likely, and a wrong place on a stack often holds a zero.
                    FoundBy::UnwindInfo if pc == 0 && by_tables_alone => End::Complete,
                    FoundBy::UnwindInfo if pc != 0 => End::Invalid,
                    FoundBy::UnwindInfo | FoundBy::FramePointer => End::NoUnwindInfo,
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
            let before = registers.sp();
            let stepper = &mut self.stepper;
            let stepped = stepper.step(maps, &frame.place, &mut registers, &stack, effort);
            let stepped = match stepped {
                Ok(stepped) => stepped,
                // Go marks the first frame of a goroutine so. In other code that says nothing: the register may hold anything.
                Err(End::NoUnwindInfo)
                    if found_by == FoundBy::FramePointer
                        && registers.get(registers.arch.fp()) == Some(0)
                        && is_in_go(&frame.place) =>
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
            is_certain &= stepped.is_certain;
            by_tables_alone &= stepped.by == FoundBy::UnwindInfo;
            (is_exact, found_by) = (stepped.is_signal, stepped.by);
        };
        let end = match end {
            End::Complete if !is_certain => End::NoUnwindInfo,
            end => end,
        };
        Walk { frames, end }
    }
}
