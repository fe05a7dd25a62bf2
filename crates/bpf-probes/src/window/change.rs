//! How windows are opened and closed, one after the other, by whoever comes first.

use abi::COMM_BYTES;
use abi::control::{Edge, EdgeKind, UNTIL_CLOSED};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};

use super::{now, set, slot, state};
use crate::kernel::{Probed, Task};
use crate::maps::{
    CHANGE, CLOSABLE, DEFERRED_EDGES, EDGES, FORCE_WAKEUP, LOSSES, NO_WAKEUP, config,
};

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

/// The right to open windows, to arm them, and to tell user space of their edges. Whoever does not get it at once does without: a program
/// cannot wait.
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

    /// Tells what others could not tell meanwhile, and gives the right back.
    #[inline(always)]
    pub fn end(self) {
        const ATTEMPTS: usize = 4;
        for _ in 0..ATTEMPTS {
            report_deferred();
            Self::give_back();
            // Whoever defers an edge tries once more to begin after that. If that was too soon, by the order of the right's own lock, then
            // its edge shows here.
            if !matches!(DEFERRED_EDGES.peek(), Ok(Some(_))) || Self::begin().is_none() {
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

    /// Whether user space knows of the window's end, which has come: only then another one may be opened, so that edges come in their order.
    #[inline(always)]
    pub fn has_reported_end(&self, number: u32) -> bool {
        if now!((*slot(number)).length_ns) != UNTIL_CLOSED {
            return true;
        }
        report_deferred();
        now!((*state()).reported) == number
    }
}

#[inline(always)]
pub fn open(_: &Change, number: u32, now_ns: u64, length_ns: u64, by_trigger: bool) {
    let slot = slot(number);
    let _ = CLOSABLE.remove(&(number - 1));
    until_done(|| CLOSABLE.insert(&number, &0, 0).is_ok());
    set!((*slot).start_ns, now_ns);
    set!((*slot).length_ns, length_ns);
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

/// By whoever has the right to tell of it.
#[inline(always)]
pub fn close(_: &Change, number: u32, at_ns: u64, kind: EdgeKind, by_trigger: bool) {
    if end(number, at_ns) {
        report(&edge(kind, number, at_ns, by_trigger));
    }
}

/// By anybody. Whoever changes windows just then tells of it.
#[inline(always)]
pub fn close_by_trigger(number: u32, at_ns: u64, kind: EdgeKind) {
    if !end(number, at_ns) {
        return;
    }
    let edge = edge(kind, number, at_ns, true);
    if let Some(change) = Change::begin_patiently() {
        report(&edge);
        return change.end();
    }
    // Never full: no window is opened before the end of the one before it has been told of.
    until_done(|| DEFERRED_EDGES.push(&edge, 0).is_ok());
    if let Some(change) = Change::begin() {
        change.end();
    }
}

/// False: another one was quicker.
#[inline(always)]
fn end(number: u32, at_ns: u64) -> bool {
    let is_first = CLOSABLE.remove(&number).is_ok();
    if is_first {
        set!((*slot(number)).stop_ns, at_ns);
    }
    is_first
}

/// What another CPU has stored in its order is seen in this order from now on.
#[inline(always)]
pub fn settle() {
    // It takes the queue's lock.
    let _ = DEFERRED_EDGES.peek();
}

#[inline(always)]
fn report_deferred() {
    if let Ok(Some(edge)) = DEFERRED_EDGES.pop() {
        report(&edge);
    }
}

#[inline(always)]
fn report(edge: &Edge) {
    hand_over(edge, FORCE_WAKEUP);
    set!((*state()).reported, edge.window);
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
