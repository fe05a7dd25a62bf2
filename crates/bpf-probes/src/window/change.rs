//! Who may change which window is open, and the two changes that there are.

use abi::COMM_BYTES;
use abi::control::{Edge, EdgeKind, UNTIL_CLOSED};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};

use super::{current, set, slot, state, times};
use crate::kernel::{Probed, Task};
use crate::losses::lose;
use crate::maps::{CHANGE, DEFERRED_ENDS, EDGES, FORCE_WAKEUP, LOSSES, NO_WAKEUP, config};

/// Since Linux 6.15 whoever waits too long for a map's lock, as behind a virtual CPU that does not run, is told to go without
/// (`rqspinlock`). What would leave the windows as they are for ever is tried again.
#[inline(always)]
fn until_done(is_done: impl Fn() -> bool) {
    /// Each waits for a quarter of a second.
    const ATTEMPTS: usize = 8;
    for _ in 0..ATTEMPTS {
        if is_done() {
            return;
        }
    }
}

/// The right to change which window is open. Whoever does not get it at once does without: a program cannot wait.
pub struct Change;

impl Change {
    #[inline(always)]
    pub fn begin() -> Option<Self> {
        match CHANGE.pop() {
            Ok(Some(_)) => Some(Self),
            _ => None,
        }
    }

    /// For what happens once: mostly others have it for a moment only. (Where programs can be preempted, as on Linux 7, or a virtual CPU
    /// halted, it may be long.)
    #[inline(always)]
    pub fn begin_patiently() -> Option<Self> {
        const ATTEMPTS: usize = 8;
        for _ in 0..ATTEMPTS {
            if let Some(change) = Self::begin() {
                return Some(change);
            }
        }
        None
    }

    /// Closes what others could not close meanwhile, and gives the right back.
    #[inline(always)]
    pub fn end(self) {
        const ATTEMPTS: usize = 4;
        for _ in 0..ATTEMPTS {
            close_deferred();
            Self::give_back();
            // Whoever defers an end tries once more to begin after that. If that was too soon, by the order of the right's own lock, then
            // its end shows here.
            if !matches!(DEFERRED_ENDS.peek(), Ok(Some(_))) || Self::begin().is_none() {
                return;
            }
        }
        Self::give_back();
    }

    /// Never full: what was taken out is put back.
    #[inline(always)]
    fn give_back() {
        until_done(|| CHANGE.push(&0, 0).is_ok());
    }
}

/// For who does not get the right to close the window that has ended by its trigger: whoever has it closes the window then, as of now.
#[inline(always)]
pub fn defer_end(number: u32, now_ns: u64, kind: EdgeKind) {
    if DEFERRED_ENDS
        .push(&edge(kind, number, now_ns, true), 0)
        .is_err()
    {
        set!((*state()).left, number);
        return lose!(triggers);
    }
    if let Some(change) = Change::begin() {
        change.end();
    }
}

/// Only who has the right to.
#[inline(always)]
fn close_deferred() {
    /// More than windows may be pending: a stop trigger may fire on any CPU.
    const ATTEMPTS: usize = 4;
    for _ in 0..ATTEMPTS {
        let Ok(Some(edge)) = DEFERRED_ENDS.pop() else {
            return;
        };
        // Another one may have been quicker.
        if edge.window == current() && times(edge.window).is_closed_by_trigger(edge.at_ns) {
            set!((*slot(edge.window)).stop_ns, edge.at_ns);
            hand_over(&edge, FORCE_WAKEUP);
        }
    }
}

#[inline(always)]
pub fn open(number: u32, now_ns: u64, length_ns: u64, by_trigger: bool) {
    let slot = slot(number);
    set!((*slot).start_ns, now_ns);
    set!(
        (*slot).stop_ns,
        if length_ns < UNTIL_CLOSED - now_ns {
            now_ns + length_ns
        } else {
            UNTIL_CLOSED
        }
    );
    // Between the window's times and its number: handing over the edge is a full memory barrier.
    // Waking user space would take its time from what the window is about; where the window will end by itself, user space
    // must know when.
    let wakeup = if by_trigger && length_ns == UNTIL_CLOSED {
        NO_WAKEUP
    } else {
        FORCE_WAKEUP
    };
    hand_over(&edge(EdgeKind::Opened, number, now_ns, by_trigger), wakeup);
    set!((*state()).current, number);
}

#[inline(always)]
pub fn close(number: u32, at_ns: u64, kind: EdgeKind, by_trigger: bool) {
    set!((*slot(number)).stop_ns, at_ns);
    hand_over(&edge(kind, number, at_ns, by_trigger), FORCE_WAKEUP);
}

/// By the current task.
#[inline(always)]
fn edge(kind: EdgeKind, window: u32, at_ns: u64, by_trigger: bool) -> Edge {
    // A task of another pid namespace than the one that is reported has no number in that: 0.
    let (tgid, tid) = if config!(pid_level) == 0 {
        let task = bpf_get_current_pid_tgid();
        ((task >> 32) as u32, task as u32)
    } else {
        let task = Task::<Probed>::current();
        (task.shown_tgid(), task.shown_tid())
    };
    Edge {
        at_ns,
        window,
        kind: kind as u32,
        by_trigger: by_trigger.into(),
        tgid,
        tid,
        triggers_missed: LOSSES.get(0).map_or(0, |losses| losses.triggers as u32),
        comm: bpf_get_current_comm().unwrap_or([0; COMM_BYTES]),
    }
}

#[inline(always)]
fn hand_over(edge: &Edge, wakeup: u64) {
    // Never full, see `EDGES_BYTES`.
    until_done(|| EDGES.output::<Edge>(edge, wakeup).is_ok());
}
