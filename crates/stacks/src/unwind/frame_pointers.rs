//! Stacks that the kernel walked by frame pointers.

use crate::mapped::arch::{Arch, Registers};
use crate::mapped::effort::Effort;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::unwinder::Unwinder;
use crate::unwind::walk::{End, FoundBy, Frame, Walk};

impl Unwinder {
    /// `addresses`: the program counter, then return addresses. Complete if the last one is in a function that nothing calls.
    pub fn by_frame_pointers(
        &mut self,
        maps: &mut ProcessMaps,
        arch: Arch,
        addresses: &[u64],
        effort: &mut Effort,
    ) -> Walk {
        let frames: Vec<Frame> = addresses
            .iter()
            .enumerate()
            .map(|(depth, &pc)| Frame {
                pc,
                is_exact: depth == 0,
                found_by: match depth {
                    0 => FoundBy::Registers,
                    _ => FoundBy::FramePointer,
                },
                place: maps.find_or_refresh(pc.wrapping_sub(u64::from(depth != 0))),
            })
            // What no code is at was no frame pointer.
            .take_while(|frame| frame.is_exact || !matches!(frame.place, Place::Unknown))
            .collect();
        let is_first = frames.last().is_some_and(|frame| {
            let registers = match arch {
                Arch::X86_64 => Registers::x86_64(frame.pc, 0, 0),
                Arch::Aarch64 => Registers::aarch64(frame.pc, 0, 0, 0),
            };
            self.stepper
                .is_first(maps, &frame.place, &registers, effort)
        });
        let end = match is_first {
            true => End::Complete,
            false => End::NoFramePointer,
        };
        Walk { frames, end }
    }
}
