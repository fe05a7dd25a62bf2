//! The window and the loss counters: one value, mapped into user space.

/// The open window. Written by user space (and, later, by triggers); read by every program.
///
/// A program belongs to the window if `start_ns <= now < stop_ns`, `now` being its own clock reading. So the edges are
/// exact whoever sets them: user space may set an edge in the future, and a program that is late does not matter.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Control {
    /// `CLOCK_MONOTONIC`, as all times here.
    pub start_ns: u64,
    pub stop_ns: u64,
    /// Increases with each window: a thread record of another window is no record.
    pub window: u32,
    pub reserved: u32,
    unused: [u64; 13],
    pub losses: Losses,
    unused_losses: [u64; 12],
}

/// Counted where the loss happens, by any CPU, with atomic additions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events of threads for which there was no free record.
    pub thread_events: u64,
    /// Calls for which there was no free row.
    pub syscalls: u64,
    /// Interrupts for which there was no free row.
    pub irqs: u64,
    /// Events whose clock reading was before that of the thread's previous event.
    pub negative_intervals: u64,
}

/// `stop_ns` of a window that stays open until it is closed by hand.
pub const UNTIL_CLOSED: u64 = u64::MAX;

const _: () = assert!(size_of::<Control>() == 256, "Control has implicit padding");
const _: () = assert!(core::mem::offset_of!(Control, losses) == 128, "losses must not share the window's cache lines");
