//! What a forked child does until its `execve`: it does away with the files and the signal handlers of this process, which `execve`
//! would take from it much later, and is held. Async-signal-safe calls only.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::kernel::capability::Capability;

/// Of the kernel's signals, real-time ones included; `SIGRTMAX` is a call into the C library.
const MOST_SIGNALS: libc::c_int = 64;
/// `linux_dirent64`: where the length of the entry is, and where its name begins.
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// All of it; waits at the gate before the first of the candidates that can be executed is.
///
/// # Safety
/// Only in a freshly forked child. `arguments` ends with null and points to strings.
pub unsafe fn run(
    gate: &OwnedFd,
    gate_writer: &OwnedFd,
    failure: &OwnedFd,
    stdout_to_stderr: bool,
    candidates: &[CString],
    arguments: &[*const libc::c_char],
) -> ! {
    // SAFETY: async-signal-safe calls only, on the caller's live memory.
    unsafe {
        // Its own copy of the writing end would keep the gate from ever closing.
        libc::close(gate_writer.as_raw_fd());
        // And what is not the command's would be kept open by it: other commands' gates, probes that are to be detached.
        close_files_but(&[gate.as_raw_fd(), failure.as_raw_fd()]);
        // Node's handlers would tell Node of the child's signals as if they were its own, through a pipe that both have.
        take_off_handlers();
        // Node ignores these two, and ignored signals stay ignored through execve.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        // What kdelay was granted to look into the kernel is not the command's.
        for capability in Capability::ALL {
            let number = libc::c_ulong::from(capability as u8);
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_LOWER,
                number,
                0,
                0,
            );
        }
        // Node has its own standard streams closed by execve.
        for fd in 0..=2 {
            libc::fcntl(fd, libc::F_SETFD, 0);
        }
        if stdout_to_stderr {
            libc::dup2(2, 1);
        }
        // All that comes after this is captured, and is the command's own.
        let mut byte = 0u8;
        if libc::read(gate.as_raw_fd(), (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(0);
        }
        let mut error = libc::ENOENT;
        for candidate in candidates {
            libc::execve(candidate.as_ptr(), arguments.as_ptr(), environ.cast());
            // The most telling error: one that is not "there is none here".
            let latest = *libc::__errno_location();
            if latest != libc::ENOENT && latest != libc::ENOTDIR {
                error = latest;
            }
        }
        let error = error.to_ne_bytes();
        libc::write(failure.as_raw_fd(), error.as_ptr().cast(), error.len());
        libc::_exit(127);
    }
}

/// Signals that are handled get their default action, as `execve` gives it to them. Those that are ignored stay so.
///
/// # Safety
/// Only in a freshly forked child.
unsafe fn take_off_handlers() {
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
unsafe fn close_files_but(kept: &[RawFd]) {
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
