//! A global allocator that never asks the kernel for memory.
//!
//! The C library's allocator calls brk or mmap whenever it runs dry, in whichever thread and at whichever moment that
//! is. Inside a measured window such a call would be one the oracle did not state. This one hands out a fixed piece of
//! zero-initialised memory and takes nothing back: a touched page costs a page fault, which is no system call.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Address space only: untouched pages are never backed. 10,000 threads need about 10 MB of it.
const ARENA_BYTES: usize = 128 << 20;

#[repr(C, align(4096))]
pub struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    used_bytes: AtomicUsize,
}

// SAFETY: `bytes` is only ever handed out in disjoint ranges, which the atomic `used_bytes` reserves one by one.
unsafe impl Sync for Arena {}

impl Arena {
    pub const fn new() -> Self {
        Self {
            bytes: UnsafeCell::new([0; ARENA_BYTES]),
            used_bytes: AtomicUsize::new(0),
        }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every returned range lies inside `bytes`, starts at a multiple of the asked alignment (the arena's own is a
// page, larger ones are refused) and overlaps no other, because the reservation is one atomic update. Nothing is reused,
// so a range stays valid for ever, which is longer than any caller may rely on.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 4096 {
            return ptr::null_mut();
        }
        let reserved =
            self.used_bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used_bytes| {
                    range_after(used_bytes, layout).map(|(_, end)| end)
                });
        match reserved
            .ok()
            .and_then(|used_bytes| range_after(used_bytes, layout))
        {
            Some((start, _)) => self.bytes.get().cast::<u8>().wrapping_add(start),
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
}

/// First and past-the-end offset of the next free range that fits, if the arena still holds one.
fn range_after(used_bytes: usize, layout: Layout) -> Option<(usize, usize)> {
    let start = used_bytes.checked_next_multiple_of(layout.align())?;
    let end = start.checked_add(layout.size())?;
    (end <= ARENA_BYTES).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_aligned_and_do_not_overlap() {
        let layout = Layout::from_size_align(24, 16).unwrap();
        assert_eq!(range_after(0, layout), Some((0, 24)));
        assert_eq!(range_after(24, layout), Some((32, 56)));
    }

    #[test]
    fn a_request_past_the_end_is_refused() {
        let layout = Layout::from_size_align(64, 8).unwrap();
        assert_eq!(range_after(ARENA_BYTES - 63, layout), None);
        assert_eq!(
            range_after(ARENA_BYTES - 64, layout),
            Some((ARENA_BYTES - 64, ARENA_BYTES))
        );
    }
}
