//! A value in memory that a forked child shares with its parent.

use std::ptr;

use crate::error::WorkloadError;

/// Types that may live in zero-filled memory shared between processes.
///
/// # Safety
/// All zero bytes must be a valid value, and shared references must suffice to change it (atomics only).
pub unsafe trait Shareable: Sync {}

/// Maps a zeroed `T` that stays the same memory across fork. Never unmapped: it lives as long as the process.
pub fn map<T: Shareable>() -> Result<&'static T, WorkloadError> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
    let address = unsafe { libc::mmap(ptr::null_mut(), size_of::<T>(), protection, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        return Err(WorkloadError::last("cannot map shared memory"));
    }
    // SAFETY: the mapping is page-aligned, at least as large as T, zero-filled, which `Shareable` says is a valid T,
    // and is never unmapped; all changes go through atomics.
    Ok(unsafe { &*address.cast::<T>() })
}
