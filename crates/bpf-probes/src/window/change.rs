//! Who may change which window is open, and the two changes that there are.

use abi::COMM_BYTES;
use abi::control::{Edge, EdgeKind, UNTIL_CLOSED};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};

use super::{set, slot, state};
use crate::kernel::{Probed, Task};
use crate::maps::{CHANGE, EDGES, FORCE_WAKEUP, LOSSES, NO_WAKEUP, config};

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

    /// For what happens once: user space has it for a moment only.
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

    /// Never full: what was taken out is put back.
    #[inline(always)]
    pub fn end(self) {
        until_done(|| CHANGE.push(&0, 0).is_ok());
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
    report_edge(EdgeKind::Opened, number, now_ns, by_trigger, wakeup);
    set!((*state()).current, number);
}

#[inline(always)]
pub fn close(number: u32, at_ns: u64, kind: EdgeKind, by_trigger: bool) {
    set!((*slot(number)).stop_ns, at_ns);
    report_edge(kind, number, at_ns, by_trigger, FORCE_WAKEUP);
}

#[inline(always)]
fn report_edge(kind: EdgeKind, window: u32, at_ns: u64, by_trigger: bool, wakeup: u64) {
    // A task of another pid namespace than the one that is reported has no number in that: 0.
    let (tgid, tid) = if config!(pid_level) == 0 {
        let task = bpf_get_current_pid_tgid();
        ((task >> 32) as u32, task as u32)
    } else {
        let task = Task::<Probed>::current();
        (task.shown_tgid(), task.shown_tid())
    };
    let edge = Edge {
        at_ns,
        window,
        kind: kind as u32,
        by_trigger: by_trigger.into(),
        tgid,
        tid,
        triggers_missed: LOSSES.get(0).map_or(0, |losses| losses.triggers as u32),
        comm: bpf_get_current_comm().unwrap_or([0; COMM_BYTES]),
    };
    // Never full, see `EDGES_BYTES`.
    until_done(|| EDGES.output::<Edge>(&edge, wakeup).is_ok());
}
