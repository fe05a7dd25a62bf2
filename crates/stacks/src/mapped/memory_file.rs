//! Files in memory, which nobody else can cut.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, RawFd};

/// An empty one.
pub fn empty() -> io::Result<File> {
    // Not the C library's function: glibc has it since 2.27, and is asked for 2.17's.
    // SAFETY: a terminated string.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_memfd_create,
            c"symbols".as_ptr(),
            libc::MFD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us alone.
    Ok(unsafe { File::from_raw_fd(fd as RawFd) })
}

pub fn with_bytes(bytes: &[u8]) -> io::Result<File> {
    let mut file = empty()?;
    file.write_all(bytes)?;
    Ok(file)
}
