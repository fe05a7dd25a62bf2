//! The window that an event belongs to, and below it the changes of its state: by triggers, and by user space through `control`.

use abi::control::{WINDOWS, Window, Windows};
use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::maps::WINDOWS as STATE;

mod change;
pub mod commands;
pub mod triggers;

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
        unsafe { ::core::ptr::read_volatile(&raw const $place) }
    };
}

macro_rules! set {
    ($place:expr, $value:expr) => {
        // SAFETY: inside the data section; volatile, because other CPUs read it at the same time.
        unsafe { ::core::ptr::write_volatile(&raw mut $place, $value) }
    };
}

use {now, set};

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
