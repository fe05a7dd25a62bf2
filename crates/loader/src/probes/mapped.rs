//! An array map's values, mapped into this process: read and cleared without a system call.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use crate::kernel::page::page_bytes;

/// The values of an array map that was made with `BPF_F_MMAPABLE`.
pub struct MappedArray<T> {
    base: NonNull<T>,
    length: usize,
    bytes: usize,
    values: PhantomData<T>,
}

// SAFETY: the mapping is memory like any other; what the kernel writes at the same time is each accessor's matter.
unsafe impl<T: Send> Send for MappedArray<T> {}
// SAFETY: as above; shared access goes through volatile reads or pointers.
unsafe impl<T: Sync> Sync for MappedArray<T> {}

impl<T> MappedArray<T> {
    /// `T` is the map's value type, and `length` its number of entries.
    pub fn new(map: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        const {
            assert!(
                size_of::<T>().is_multiple_of(8),
                "the kernel rounds values up to 8 bytes"
            )
        };
        let bytes = (length * size_of::<T>()).next_multiple_of(page_bytes());
        // SAFETY: a new shared mapping at an address of the kernel's choice; it touches no memory of ours. The kernel
        // refuses it if the map is smaller.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(base.cast()) {
            Some(base) => Ok(Self {
                base,
                length,
                bytes,
                values: PhantomData,
            }),
            None => Err(io::Error::other("mapped at address 0")),
        }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// A pointer to one value, which lives as long as `self`. The kernel may be writing it.
    pub fn value(&self, index: usize) -> Option<NonNull<T>> {
        // SAFETY: the index is inside the mapping.
        (index < self.length).then(|| unsafe { self.base.add(index) })
    }
}

impl<T> Drop for MappedArray<T> {
    fn drop(&mut self) {
        // SAFETY: exactly what `mmap` returned; no pointer from `value` outlives `self`. Its only failure is a wrong
        // argument.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
