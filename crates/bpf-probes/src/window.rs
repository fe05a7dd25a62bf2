//! The window that an event belongs to, and the changes of its state: by triggers, and by user space through `control`.

use core::ptr::{read_volatile, write_volatile};

use abi::COMM_BYTES;
use abi::calls::Owner;
use abi::control::{BUSY, DONE, Edge, EdgeKind, UNTIL_CLOSED, WINDOWS, Window, Windows};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_ns};

use crate::kernel::{Probed, Task};
use crate::losses::lose;
use crate::maps::{CHANGE, EDGES, FORCE_WAKEUP, LOSSES, NO_WAKEUP, WINDOWS as STATE, config};

#[inline(always)]
fn state() -> *mut Windows {
    STATE.0.get()
}

/// Where a window's times are.
#[inline(always)]
fn slot(number: u32) -> *mut Window {
    // SAFETY: the index is masked to the array's length.
    unsafe {
        (&raw mut (*state()).slots)
            .cast::<Window>()
            .add(number as usize & (WINDOWS - 1))
    }
}

/// One field of a window or of the state, as it is now.
macro_rules! now {
    ($place:expr) => {
        // SAFETY: inside the data section, which is always initialised; volatile, because other CPUs write it.
        unsafe { read_volatile(&raw const $place) }
    };
}

macro_rules! set {
    ($place:expr, $value:expr) => {
        // SAFETY: inside the data section; volatile, because other CPUs read it at the same time.
        unsafe { write_volatile(&raw mut $place, $value) }
    };
}

#[inline(always)]
pub fn clock() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// When an event counts.
#[derive(Clone, Copy)]
pub struct Moment {
    /// It may lie past the window's end: until the record is found, see [`crate::record::find`].
    pub now_ns: u64,
    /// The window's number.
    pub window: u32,
    /// When it ends, as was known once the clock had been read: a program may be preempted before that (Linux 7), and a trigger close
    /// the window meanwhile.
    stop_ns: u64,
}

impl Moment {
    /// Now, if the window is open.
    #[inline(always)]
    pub fn in_window() -> Option<Self> {
        Self::in_window_or_after().filter(|moment| !moment.is_after())
    }

    /// Now, if the window is open, or has ended and is not yet sealed by its reader. An event after its end is the first of
    /// its thread or none, and counts at the end: it tells what a thread without any was doing all along.
    #[inline(always)]
    pub fn in_window_or_after() -> Option<Self> {
        let window = current();
        let slot = slot(window);
        if now!((*slot).stop_ns) == 0 {
            return None;
        }
        let now_ns = clock();
        if now_ns < now!((*slot).start_ns) {
            return None;
        }
        Some(Self::again(now_ns, window))
    }

    /// Of a window whose end may have been set since.
    #[inline(always)]
    pub fn again(now_ns: u64, window: u32) -> Self {
        let stop_ns = now!((*slot(window)).stop_ns);
        Self {
            now_ns,
            window,
            stop_ns,
        }
    }

    #[inline(always)]
    pub fn is_after(self) -> bool {
        self.now_ns >= self.stop_ns
    }

    /// What is after the window counts at its end.
    #[inline(always)]
    pub fn end_with_window(&mut self) {
        if self.is_after() {
            self.now_ns = self.stop_ns;
        }
    }

    #[inline(always)]
    pub fn window_start_ns(self) -> u64 {
        now!((*slot(self.window)).start_ns)
    }
}

/// For what is recorded of others, and looked at later: the time, if the window has not ended; 0: it has. It may lie before the window's
/// beginning by what two CPUs' clocks disagree.
#[inline(always)]
pub fn clock_if_open() -> u64 {
    let slot = slot(current());
    if now!((*slot).stop_ns) == 0 {
        return 0;
    }
    let now_ns = clock();
    if now_ns < now!((*slot).stop_ns) {
        now_ns
    } else {
        0
    }
}

/// The number of the latest window.
#[inline(always)]
pub fn current() -> u32 {
    now!((*state()).current)
}

#[inline(always)]
fn is_open(number: u32, now_ns: u64) -> bool {
    now_ns < now!((*slot(number)).stop_ns)
}

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
struct Change;

impl Change {
    #[inline(always)]
    fn begin() -> Option<Self> {
        match CHANGE.pop() {
            Ok(Some(_)) => Some(Self),
            _ => None,
        }
    }

    /// For what happens once: user space has it for a moment only.
    #[inline(always)]
    fn begin_patiently() -> Option<Self> {
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
    fn end(self) {
        until_done(|| CHANGE.push(&0, 0).is_ok());
    }
}

/// A start trigger fired.
#[inline(always)]
pub fn start_triggered() {
    let now_ns = clock();
    let number = current();
    if is_open(number, now_ns) {
        return lose!(starts_in_window);
    }
    if now!((*state()).armed) == number {
        if now!((*state()).counts_missed) != 0 {
            lose!(triggers);
        }
        return;
    }
    let Some(change) = Change::begin() else {
        return lose!(triggers);
    };
    // Another one may have been quicker.
    let number = current();
    if is_open(number, now_ns) {
        lose!(starts_in_window);
    } else if now!((*state()).armed) != number {
        let length_ns = now!((*slot(number + 1)).length_ns);
        open(number + 1, now_ns, length_ns, true);
    }
    change.end();
}

/// A window's times, as they are now.
#[inline(always)]
fn times(number: u32) -> Window {
    let slot = slot(number);
    Window {
        start_ns: now!((*slot).start_ns),
        stop_ns: now!((*slot).stop_ns),
        length_ns: now!((*slot).length_ns),
    }
}

/// A stop trigger fired. It closes windows that have no end of their own.
#[inline(always)]
pub fn stop_triggered() {
    let now_ns = clock();
    if !times(current()).is_closed_by_trigger(now_ns) {
        return;
    }
    let Some(change) = Change::begin() else {
        return lose!(triggers);
    };
    // Another one may have been quicker, and a start quicker than that.
    let number = current();
    if times(number).is_closed_by_trigger(now_ns) {
        close(number, now_ns, EdgeKind::Closed, true);
    }
    change.end();
}

/// An outermost call has begun, where windows are owned by calls.
#[inline(always)]
pub fn call_begun(owner: &Owner, now_ns: u64) {
    let number = current();
    if is_open(number, now_ns) {
        if !is_left_by(number, owner, now_ns) {
            return lose!(starts_in_window);
        }
    } else if now!((*state()).armed) == number {
        if now!((*state()).counts_missed) != 0 {
            lose!(triggers);
        }
        return;
    }
    let Some(change) = Change::begin_patiently() else {
        return lose!(triggers);
    };
    // Another one may have been quicker.
    let number = current();
    if is_left_by(number, owner, now_ns) {
        close(number, now_ns, EdgeKind::Left, true);
    }
    if is_open(number, now_ns) {
        lose!(starts_in_window);
    } else if now!((*state()).armed) != number {
        set!((*state()).owner, *owner);
        let length_ns = now!((*slot(number + 1)).length_ns);
        open(number + 1, now_ns, length_ns, true);
    }
    change.end();
}

/// Whether the window's owner is known to be gone: a stack has one outermost call at a time.
#[inline(always)]
fn is_left_by(number: u32, begun: &Owner, now_ns: u64) -> bool {
    times(number).is_closed_by_trigger(now_ns)
        && (now!((*state()).owner).key == begun.key || now!((*state()).left) == number)
}

/// What may be the end of the call that owns the window. (No closure: the compiler would make a function of it.)
pub trait End {
    /// How it closes the window that this call has opened then, if it does.
    fn closes(&self, owner: &Owner, start_ns: u64) -> Option<EdgeKind>;
}

/// The window, if one is open that a trigger closes, and how that is closed.
#[inline(always)]
fn ended(end: &impl End, now_ns: u64) -> Option<(u32, EdgeKind)> {
    let number = current();
    let times = times(number);
    if !times.is_closed_by_trigger(now_ns) {
        return None;
    }
    let owner = now!((*state()).owner);
    Some((number, end.closes(&owner, times.start_ns)?))
}

/// Where the window cannot be closed now, the next call does that.
#[inline(always)]
pub fn call_ended(end: &impl End, now_ns: u64) {
    let Some((number, _)) = ended(end, now_ns) else {
        return;
    };
    let Some(change) = Change::begin_patiently() else {
        set!((*state()).left, number);
        return lose!(triggers);
    };
    // Another one may have been quicker; and only now the owner is read as a whole.
    if let Some((number, kind)) = ended(end, now_ns) {
        close(number, now_ns, kind, true);
    }
    change.end();
}

#[inline(always)]
pub fn open_now(length_ns: u64) -> u32 {
    let Some(change) = Change::begin() else {
        return BUSY;
    };
    let number = current() + 1;
    set!((*state()).armed, number);
    open(number, clock(), length_ns, false);
    change.end();
    DONE
}

#[inline(always)]
pub fn close_at(at_ns: u64) -> u32 {
    let Some(change) = Change::begin() else {
        return BUSY;
    };
    let number = current();
    if is_open(number, clock())
        && let Some(at_ns) = times(number).closed_at(at_ns)
    {
        close(number, at_ns, EdgeKind::Closed, false);
    }
    change.end();
    DONE
}

/// Only user space arms, one call at a time.
#[inline(always)]
pub fn arm(length_ns: u64) -> u32 {
    let number = now!((*state()).armed) + 1;
    let slot = slot(number);
    set!((*slot).stop_ns, 0);
    set!((*slot).length_ns, length_ns);
    set!((*state()).counts_missed, 1);
    let Some(change) = Change::begin() else {
        return BUSY;
    };
    set!((*state()).armed, number);
    change.end();
    DONE
}

#[inline(always)]
pub fn disarm() -> u32 {
    let Some(change) = Change::begin() else {
        return BUSY;
    };
    set!((*state()).armed, current());
    set!((*state()).counts_missed, 0);
    change.end();
    DONE
}

#[inline(always)]
pub fn seal(number: u32) -> u32 {
    set!((*slot(number)).stop_ns, 0);
    DONE
}

#[inline(always)]
pub fn rest() -> u32 {
    set!((*state()).counts_missed, 0);
    DONE
}

#[inline(always)]
fn open(number: u32, now_ns: u64, length_ns: u64, by_trigger: bool) {
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
fn close(number: u32, at_ns: u64, kind: EdgeKind, by_trigger: bool) {
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
