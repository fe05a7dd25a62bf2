//! The window, and the loss counters.

/// The open window. Written by user space (and, later, by triggers), a field at a time; read by every program.
///
/// A program belongs to the window if `start_ns <= now < stop_ns`, `now` being its own clock reading. So the edges are
/// exact whoever sets them: user space may set an edge in the future, and a program that is late does not matter.
///
/// After its end, until its reader sets `stop_ns` to 0, a window still takes the first event of a thread that had none: it
/// tells what the thread was doing all along, and counts as one at the window's end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// `CLOCK_MONOTONIC`, as all times here.
    pub start_ns: u64,
    /// 0: no window.
    pub stop_ns: u64,
    /// Increases with each window: a thread record of another window is no record.
    pub number: u32,
    pub reserved: u32,
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
}

/// `stop_ns` of a window that stays open until it is closed by hand, and the greatest there is.
pub const UNTIL_CLOSED: u64 = i64::MAX as u64;

const _: () = assert!(
    size_of::<Window>() == 24 && size_of::<Losses>() == 24,
    "implicit padding"
);
