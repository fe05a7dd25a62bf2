//! Files in memory, which nobody else can cut.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::FromRawFd;

/// An empty one.
pub fn empty() -> io::Result<File> {
    // SAFETY: a terminated string.
    let fd = unsafe { libc::memfd_create(c"symbols".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us alone.
    Ok(unsafe { File::from_raw_fd(fd) })
}

pub fn with_bytes(bytes: &[u8]) -> io::Result<File> {
    let mut file = empty()?;
    file.write_all(bytes)?;
    Ok(file)
}
