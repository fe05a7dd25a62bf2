//! Counters of what could not be counted.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

/// Adds one to a loss counter.
macro_rules! lose {
    ($counter:ident) => {
        if let Some(losses) = $crate::maps::LOSSES.get_ptr_mut(0) {
            // SAFETY: the counter lies in a map value that lives as long as the program; the addition is atomic and
            // nobody holds a reference to it.
            unsafe { $crate::losses::add_one(&raw mut (*losses).$counter) };
        }
    };
}
pub(crate) use lose;

/// # Safety
/// `counter` points into a live map value, aligned to 8 bytes.
#[inline(always)]
pub unsafe fn add_one(counter: *mut u64) {
    // SAFETY: the caller's. The result is unused, so that it compiles to the one atomic that every kernel has.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, 1) };
}
