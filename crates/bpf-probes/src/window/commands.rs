//! What user space does with windows, through the program `control`.

use abi::control::{BUSY, DONE, EdgeKind};

use super::change::{Change, close, open};
use super::{clock, current, is_open, now, set, slot, state, times};

#[inline(always)]
pub fn open_now(length_ns: u64) -> u32 {
    let Some(change) = Change::begin() else {
        return BUSY;
    };
    let number = current() + 1;
    set!((*state()).armed, number);
    open(&change, number, clock(), length_ns, false);
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
        close(&change, number, at_ns, EdgeKind::Closed, false);
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
    // Who has told of the window's end may not have given the right back yet, and the next start trigger would be missed.
    match Change::begin() {
        Some(change) => change.end(),
        None => return BUSY,
    }
    DONE
}

#[inline(always)]
pub fn rest() -> u32 {
    set!((*state()).counts_missed, 0);
    DONE
}
