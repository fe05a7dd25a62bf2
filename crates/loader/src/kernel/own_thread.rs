//! The calling thread: its id, its place among all that want a CPU, and which files it finds.

use std::ffi::CStr;
use std::io;

/// The calling thread's id. Not by the C library's function: glibc has it since 2.30.
pub fn own_tid() -> u32 {
    // SAFETY: gettid has no preconditions.
    (unsafe { libc::syscall(libc::SYS_gettid) }) as u32
}

/// Nearly the first.
const NICENESS: libc::c_int = -15;

/// For a thread whose work is short, and where what comes too late is lost. Without the privilege it keeps its place: a busy
/// machine may then lose something, which is counted.
pub fn raise_priority() {
    // SAFETY: no addresses; 0 stands for the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// From here on, absolute paths of the calling thread begin at this folder. Takes CAP_SYS_CHROOT, and no filter of system calls:
/// one that does not know `chroot` may well kill who calls it.
pub fn enter_root_of_this_thread(folder: &CStr) -> io::Result<()> {
    // SAFETY: no addresses.
    if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } != 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: no addresses. The thread's root and folder are its own from now on, and those of no other.
    if unsafe { libc::unshare(libc::CLONE_FS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a path that ends in NUL.
    if unsafe { libc::chroot(folder.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_threads_find_what_they_found() {
        let inside = std::thread::spawn(|| {
            enter_root_of_this_thread(c"/proc/self").unwrap();
            (
                std::path::Path::new("/proc").exists(),
                std::path::Path::new("/comm").exists(),
            )
        });
        assert_eq!(inside.join().unwrap(), (false, true));
        assert!(std::path::Path::new("/proc").exists());
    }
}
