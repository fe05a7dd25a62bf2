//! What a forked child does away with before it is held: the files and the signal handlers of this process, which `execve` would take
//! from it much later. Async-signal-safe calls only.

use std::os::fd::RawFd;

/// Of the kernel's signals, real-time ones included; `SIGRTMAX` is a call into the C library.
const MOST_SIGNALS: libc::c_int = 64;
/// `linux_dirent64`: where the length of the entry is, and where its name begins.
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// Signals that are handled get their default action, as `execve` gives it to them. Those that are ignored stay so.
///
/// # Safety
/// Only in a freshly forked child.
pub unsafe fn take_off_handlers() {
    for signal in 1..=MOST_SIGNALS {
        // SAFETY: zeroes are a valid action, which the first call overwrites; both fail for the signals that cannot be handled.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
            if known && action.sa_sigaction != libc::SIG_IGN {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

/// Closes every file that `execve` would close, but these.
///
/// # Safety
/// Only in a freshly forked child: what is closed is closed under the feet of whoever has it.
pub unsafe fn close_files_but(kept: &[RawFd]) {
    let mut entries = [0u8; 1024];
    // SAFETY: a path that ends in NUL; `entries` is writable for its length.
    unsafe {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let folder = libc::open(c"/proc/self/fd".as_ptr(), flags);
        // The kernel lists them in ascending order, and goes on after the last number that it gave: closing takes none from the list.
        loop {
            let got = libc::syscall(
                libc::SYS_getdents64,
                folder,
                entries.as_mut_ptr(),
                entries.len(),
            );
            let Some(got) = usize::try_from(got).ok().filter(|&got| got > 0) else {
                break;
            };
            let mut rest = entries.get(..got).unwrap_or_default();
            while let Some((fd, after)) = next_entry(rest) {
                rest = after;
                let Some(fd) = fd.filter(|fd| *fd != folder && !kept.contains(fd)) else {
                    continue;
                };
                if libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0 && fd > 2 {
                    libc::close(fd);
                }
            }
        }
        libc::close(folder);
    }
}

/// The descriptor that the first entry is for (`None`: `.` or `..`), and the entries after it.
fn next_entry(entries: &[u8]) -> Option<(Option<RawFd>, &[u8])> {
    let length = entries.get(LENGTH_AT..LENGTH_AT + 2)?;
    let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
    let name = entries.get(NAME_AT..length)?;
    let mut fd: Option<RawFd> = None;
    for &byte in name.iter().take_while(|&&byte| byte != 0) {
        if !byte.is_ascii_digit() {
            return Some((None, entries.get(length..)?));
        }
        let digit = RawFd::from(byte - b'0');
        fd = Some(fd.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
    }
    Some((fd, entries.get(length..)?))
}
