//! What triggers do with windows.

use abi::calls::Owner;
use abi::control::EdgeKind;

use super::change::{Change, close, close_by_trigger, open, settle};
use super::{clock, current, is_open, now, set, slot, state, times};
use crate::losses::lose;

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
        if change.has_reported_end(number) {
            let length_ns = now!((*slot(number + 1)).length_ns);
            open(&change, number + 1, now_ns, length_ns, true);
        } else {
            lose!(triggers);
        }
    }
    change.end();
}

/// A stop trigger fired. It closes windows that have no end of their own.
#[inline(always)]
pub fn stop_triggered() {
    let now_ns = clock();
    let number = current();
    if !times(number).is_closed_by_trigger(now_ns) {
        return;
    }
    close_by_trigger(number, now_ns, EdgeKind::Closed);
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
        close(&change, number, now_ns, EdgeKind::Left, true);
    }
    if is_open(number, now_ns) {
        lose!(starts_in_window);
    } else if now!((*state()).armed) != number {
        if change.has_reported_end(number) {
            set!((*state()).owner, *owner);
            let length_ns = now!((*slot(number + 1)).length_ns);
            open(&change, number + 1, now_ns, length_ns, true);
        } else {
            lose!(triggers);
        }
    }
    change.end();
}

/// Whether the window's owner is known to be gone: a stack has one outermost call at a time.
#[inline(always)]
fn is_left_by(number: u32, begun: &Owner, now_ns: u64) -> bool {
    times(number).is_closed_by_trigger(now_ns) && now!((*state()).owner).key == begun.key
}

/// What may be the end of the call that owns the window. (No closure: the compiler would make a function of it.)
pub trait End {
    /// How it closes the window that this call has opened then, if it does.
    fn closes(&self, owner: &Owner, start_ns: u64) -> Option<EdgeKind>;
}

#[inline(always)]
pub fn call_ended(end: &impl End, now_ns: u64) {
    let number = current();
    if ended(end, number, now_ns).is_none() {
        return;
    }
    // Another CPU may have opened the window just now: who owns it is read once more, behind a lock.
    settle();
    if let Some(kind) = ended(end, number, now_ns) {
        close_by_trigger(number, now_ns, kind);
    }
}

/// How this closes that window, if it is open and a trigger closes it.
#[inline(always)]
fn ended(end: &impl End, number: u32, now_ns: u64) -> Option<EdgeKind> {
    let times = times(number);
    if !times.is_closed_by_trigger(now_ns) {
        return None;
    }
    let owner = now!((*state()).owner);
    end.closes(&owner, times.start_ns)
}
