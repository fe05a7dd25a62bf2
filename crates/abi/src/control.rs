//! The windows, what opens and closes them, and the loss counters.

use crate::COMM_BYTES;
use crate::calls::{Owner, StackKey};

/// A window of time.
///
/// A program belongs to it if `start_ns <= now < stop_ns`, `now` being its own clock reading. So the edges are exact whoever
/// sets them: an edge may be set in the future, and a program that is late does not matter.
///
/// After its end, until its reader seals it or the next one opens, a window still takes the first event of a thread that
/// had none: it tells what the thread was doing all along, and counts as one at the window's end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// `CLOCK_MONOTONIC`, as all times here.
    pub start_ns: u64,
    /// 0: not open yet, or sealed.
    pub stop_ns: u64,
    /// What `stop_ns` becomes after `start_ns` when a trigger opens it; [`UNTIL_CLOSED`]: it stays open.
    pub length_ns: u64,
}

impl Window {
    /// Whether a stop trigger that fired at that time closes the window: one that has no end of its own, and had begun by then.
    /// Another CPU may open it between the trigger's reading of the clock and its look at the window.
    #[inline(always)]
    pub fn is_closed_by_trigger(&self, fired_ns: u64) -> bool {
        self.stop_ns == UNTIL_CLOSED && fired_ns >= self.start_ns
    }

    /// When the window ends that user space asks to close at that time, if that is sooner than it ends by itself. It may have
    /// read the clock before the window began.
    #[inline(always)]
    pub fn closed_at(&self, asked_ns: u64) -> Option<u64> {
        let at_ns = if asked_ns < self.start_ns {
            self.start_ns
        } else {
            asked_ns
        };
        (at_ns < self.stop_ns).then_some(at_ns)
    }
}

/// The latest windows. Only programs write here, so that a trigger and user space cannot overwrite one another's: user space
/// runs the program `control`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Number of the window that was opened last. Stored after its `start_ns` and `stop_ns` are. A thread record of
    /// another window is no record.
    pub current: u32,
    /// Windows up to this number may be opened by a trigger.
    pub armed: u32,
    /// 1: a start trigger that finds nothing armed is a missed one.
    pub counts_missed: u32,
    /// Number of the latest window that was closed and did not end by itself: user space has been told of it.
    pub reported: u32,
    /// Window `number` is at `number % WINDOWS`.
    pub slots: [Window; WINDOWS],
    /// Whose call the window is that was opened last, where triggers are a pair. Stored before the window's times are.
    pub owner: Owner,
}

pub const WINDOWS: usize = 16;

/// Windows that may be armed, open or unread at the same time. Fewer than [`WINDOWS`]: a program that was held up must not
/// find the number it has read given to another window.
pub const MOST_PENDING: usize = 8;

impl Windows {
    pub const EMPTY: Self = Self {
        current: 0,
        armed: 0,
        counts_missed: 0,
        reported: 0,
        slots: [Window {
            start_ns: 0,
            stop_ns: 0,
            length_ns: 0,
        }; WINDOWS],
        owner: Owner {
            key: StackKey { place: 0, task: 0 },
            frame: 0,
        },
    };
}

/// `stop_ns` of a window that stays open until it is closed, and the greatest there is.
pub const UNTIL_CLOSED: u64 = i64::MAX as u64;

/// What user space asks `control` to do, as the program's first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Command {
    /// Open the next window now. Second argument: its length.
    Open = 1,
    /// Close the open window at the time that is the second argument, unless it is closing already.
    Close = 2,
    /// Let a trigger open the window after the last armed one. Second argument: its length.
    Arm = 3,
    /// Let no trigger open a window any more.
    Disarm = 4,
    /// Take no more first events into the window whose number is the second argument. [`BUSY`]: done, but windows are being changed.
    Seal = 5,
    /// Count no more missed triggers.
    Rest = 6,
    /// Put the last [`FILLED_AT_ONCE`] of so many thread records, or all if they are fewer, on the list of free ones.
    FillThreads = 7,
    /// The same of chunks of system call rows.
    FillChunks = 8,
}

/// A system call for each would take many times as long; the verifier follows the loop through all of its turns.
pub const FILLED_AT_ONCE: u32 = 32;

/// What `control` returns.
pub const DONE: u32 = 0;
/// A trigger is opening or closing a window at this moment: try again.
pub const BUSY: u32 = 1;
/// There is no such command, or a list took no more.
pub const FAILED: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EdgeKind {
    Opened = 1,
    Closed = 2,
    /// Closed, since the call that it is about was left without a return.
    Left = 3,
    /// Closed, since the only monitored process ends in the call that it is about.
    Ended = 4,
}

/// A window's edge: who set it, and when. At most two for each window.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub at_ns: u64,
    pub window: u32,
    /// An [`EdgeKind`].
    pub kind: u32,
    /// 1: a trigger, in the task that the next three name; 0: user space.
    pub by_trigger: u32,
    pub tgid: u32,
    pub tid: u32,
    /// [`Losses::triggers`] by then, its lower half: what is missed after the last window is wanted by nobody.
    pub triggers_missed: u32,
    pub comm: [u8; COMM_BYTES],
}

/// Bytes of the ring buffer of [`Edge`]s: a multiple of every page size, and more than the pending windows' edges need.
pub const EDGES_BYTES: u32 = 1 << 16;

/// Counted where the loss happens, by any CPU, with atomic additions. From the session's beginning.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events of threads for which there was no free record.
    pub thread_events: u64,
    /// Calls for which there was no free row.
    pub syscalls: u64,
    /// Interrupts for which there was no free row.
    pub irqs: u64,
    /// Start triggers that found no window armed, or came while another was changing the state.
    pub triggers: u64,
    /// No loss: start triggers that found a window open.
    pub starts_in_window: u64,
    /// Recorded calls for which the ring buffer had no room.
    pub events: u64,
    /// Stacks for which a ring buffer had no room, or which the kernel did not hand over.
    pub stacks: u64,
    /// Times blocked for which there was no free row, or of which the stack was lost.
    pub off_cpu: u64,
}

impl Losses {
    /// What has been added since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            thread_events: self.thread_events.saturating_sub(before.thread_events),
            syscalls: self.syscalls.saturating_sub(before.syscalls),
            irqs: self.irqs.saturating_sub(before.irqs),
            triggers: self.triggers.saturating_sub(before.triggers),
            starts_in_window: self
                .starts_in_window
                .saturating_sub(before.starts_in_window),
            events: self.events.saturating_sub(before.events),
            stacks: self.stacks.saturating_sub(before.stacks),
            off_cpu: self.off_cpu.saturating_sub(before.off_cpu),
        }
    }
}

const _: () = assert!(
    size_of::<Window>() == 24
        && size_of::<Windows>() == 16 + 24 * WINDOWS + size_of::<Owner>()
        && size_of::<Edge>() == 48
        && size_of::<Losses>() == 64,
    "implicit padding"
);
const _: () = assert!(MOST_PENDING < WINDOWS && WINDOWS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::{Losses, UNTIL_CLOSED, Window};

    const OPEN: Window = Window {
        start_ns: 100,
        stop_ns: UNTIL_CLOSED,
        length_ns: UNTIL_CLOSED,
    };
    const TIMED: Window = Window {
        start_ns: 100,
        stop_ns: 200,
        length_ns: 100,
    };

    #[test]
    fn a_stop_that_fired_before_the_window_began_does_not_close_it() {
        assert!(!OPEN.is_closed_by_trigger(99));
        assert!(OPEN.is_closed_by_trigger(100) && OPEN.is_closed_by_trigger(500));
        assert!(!TIMED.is_closed_by_trigger(150), "it ends by itself");
        assert!(
            !Window::default().is_closed_by_trigger(150),
            "there is none"
        );
    }

    #[test]
    fn user_space_closes_no_window_before_it_began() {
        assert_eq!(OPEN.closed_at(150), Some(150));
        assert_eq!(OPEN.closed_at(99), Some(100));
        assert_eq!(
            (TIMED.closed_at(150), TIMED.closed_at(250)),
            (Some(150), None)
        );
        assert_eq!(Window::default().closed_at(150), None);
    }

    #[test]
    fn losses_of_a_window_are_what_was_added_in_it() {
        let before = Losses {
            thread_events: 1,
            syscalls: 2,
            irqs: 3,
            triggers: 4,
            starts_in_window: 5,
            events: 6,
            stacks: 7,
            off_cpu: 8,
        };
        let after = Losses {
            thread_events: 11,
            syscalls: 22,
            irqs: 33,
            triggers: 44,
            starts_in_window: 55,
            events: 66,
            stacks: 77,
            off_cpu: 88,
        };
        let added = Losses {
            thread_events: 10,
            syscalls: 20,
            irqs: 30,
            triggers: 40,
            starts_in_window: 50,
            events: 60,
            stacks: 70,
            off_cpu: 80,
        };
        assert_eq!(after.since(&before), added);
        assert_eq!(before.since(&after), Losses::default());
    }
}
