//! Who is running.

/// The calling thread's id. Not by the C library's function: glibc has it since 2.30.
pub fn own_tid() -> u32 {
    // SAFETY: gettid has no preconditions.
    (unsafe { libc::syscall(libc::SYS_gettid) }) as u32
}
