//! Programs that are mapped into the test itself, and never run.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::section;

/// Executable memory of a file, in this process.
pub struct Mapped {
    pub start: usize,
    pub length: usize,
}

impl Mapped {
    pub fn new(file: &File, offset: usize, length: usize) -> Self {
        // SAFETY: the kernel chooses where; nothing else is there.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                offset as i64,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self {
            start: start as usize,
            length,
        }
    }
}

impl Mapped {
    /// All of a program that is executable.
    pub fn program(program: &Path) -> Self {
        let (offset, length) = executable(program);
        Self::new(&File::open(program).unwrap(), offset, length)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and not used by anything.
        unsafe { libc::munmap(self.start as *mut _, self.length) };
    }
}

/// The mapped part of a file begins on a page.
pub fn executable(program: &Path) -> (usize, usize) {
    let (offset, length) = section(program, ".text");
    (offset & !4095, length + (offset & 4095))
}
