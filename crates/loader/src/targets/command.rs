//! A command that is started but held just before its `execve`, so that the probes are attached when it begins.
//!
//! `std::process` and `posix_spawn` return only after the `execve`; hence a `fork` of our own, whose child does
//! nothing but async-signal-safe calls on memory prepared before.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Cause, Denial, Error, ErrorKind, Result};
use crate::targets::held_child;
use crate::targets::pidfd::{Signal, wait_readable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
}

/// May be used from several threads: one releases it while another closes it, or asks how it ended.
pub struct Command {
    pid: libc::pid_t,
    program: String,
    path: Option<String>,
    /// Ends with the `execve`, or carries its error number.
    failure: OwnedFd,
    /// Raised once it is closed: nobody waits for the `execve` any more.
    closing: Signal,
    child: Arc<Mutex<Child>>,
}

enum Stage {
    /// Writing to the gate lets the child go on; dropping it unwritten ends the child.
    Held(OwnedFd),
    /// The child may go on; its `execve` is not known to be over.
    Released,
    Running,
    /// It never ran.
    Closed,
}

struct Child {
    pid: libc::pid_t,
    stage: Stage,
    /// `None`: nobody has waited for it yet, hence its pid is its own.
    status: Option<ExitStatus>,
}

impl Command {
    /// `argv[0]` is looked up in PATH. The child's stdin and stderr are ours; so is its stdout, unless it is to go to
    /// stderr.
    pub fn spawn(argv: &[String], stdout_to_stderr: bool) -> Result<Self> {
        let program = argv.first().cloned().unwrap_or_default();
        if program.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "an empty command"));
        }
        let nul = |_| Error::new(ErrorKind::InvalidArgument, "the command holds a NUL byte");
        let arguments: Vec<CString> = argv
            .iter()
            .map(|argument| CString::new(argument.as_str()))
            .collect::<std::result::Result<_, _>>()
            .map_err(nul)?;
        let candidates = candidates(&program).map_err(nul)?;
        let mut pointers: Vec<*const libc::c_char> =
            arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let (gate_read, gate_write) = pipe()?;
        let (failure_read, failure_write) = pipe()?;
        let closing = Signal::new().map_err(|error| Error::io("eventfd", &error))?;
        // No signal arrives in the child before it has taken off this process's handlers.
        let mask = block_signals()?;
        // SAFETY: the child calls only async-signal-safe functions, on memory made above, until it execs or exits.
        let pid = unsafe { libc::fork() };
        let forked = io::Error::last_os_error();
        if pid == 0 {
            // SAFETY: in the child; the pointers end with null.
            unsafe {
                held_child::run(
                    &gate_read,
                    &gate_write,
                    &failure_write,
                    stdout_to_stderr,
                    &candidates,
                    &pointers,
                )
            }
        }
        // SAFETY: this thread's own mask of before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut()) };
        if pid < 0 {
            return Err(Error::io("fork", &forked));
        }
        Ok(Self {
            pid,
            program,
            path: candidates
                .first()
                .and_then(|path| path.to_str().ok().map(str::to_owned)),
            failure: failure_read,
            closing,
            child: Arc::new(Mutex::new(Child {
                pid,
                stage: Stage::Held(gate_write),
                status: None,
            })),
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// The file that it will execute; `None`: there is none of that name, or its path is no text.
    pub fn path(&self) -> Option<String> {
        self.path.clone()
    }

    /// Lets the command begin, and waits until its `execve` is over, which takes as long as the child is stopped, or its file system
    /// does not answer. Fails if its program cannot be executed. False: it was closed before.
    pub fn release(&self) -> Result<bool> {
        let mut child = lock(&self.child);
        if let Stage::Held(gate) = &child.stage {
            // SAFETY: one readable byte. The child holds the other end, or has been killed, which the wait below shows.
            unsafe { libc::write(gate.as_raw_fd(), b"g".as_ptr().cast(), 1) };
            child.stage = Stage::Released;
        }
        drop(child);
        let either = [self.failure.as_raw_fd(), self.closing.as_raw_fd()];
        while !wait_readable(&either, None)
            .map_err(|error| Error::io("waiting for the command to begin", &error))?
            .contains(&true)
        {}
        let mut child = lock(&self.child);
        match child.stage {
            Stage::Held(_) | Stage::Closed => return Ok(false),
            Stage::Running => return Ok(true),
            // It is not closed; hence there is something to be read, or the end.
            Stage::Released => {}
        }
        let mut number = [0u8; 4];
        // SAFETY: four writable bytes.
        let got = unsafe {
            libc::read(
                self.failure.as_raw_fd(),
                number.as_mut_ptr().cast(),
                number.len(),
            )
        };
        if got != number.len() as isize {
            child.stage = Stage::Running;
            return Ok(true);
        }
        child.stage = Stage::Closed;
        drop(child);
        self.reap_later();
        Err(self.not_executed(i32::from_ne_bytes(number)))
    }

    fn not_executed(&self, errno: i32) -> Error {
        let error = io::Error::from_raw_os_error(errno);
        let cause = Cause::of(&error);
        let (kind, cause) = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                (ErrorKind::NotPermitted, cause.denied_by(Denial::FileMode))
            }
            _ => (ErrorKind::NoSuchCommand, cause),
        };
        let message = format!("{}: {error}", self.program.escape_debug());
        Error::new(kind, message)
            .hint("the command is looked up in PATH, as a shell does, but is not given to a shell")
            .cause(cause)
    }

    /// How it ended; `None` while it runs.
    pub fn status(&self) -> Option<ExitStatus> {
        let mut child = lock(&self.child);
        child.reap_if_ended();
        child.status
    }

    /// Kills a command whose program has not begun, and ends a wait in [`Self::release`]. One that has begun runs on. Waits for
    /// nothing.
    pub fn close(&self) {
        let mut child = lock(&self.child);
        if matches!(child.stage, Stage::Running | Stage::Closed) {
            return;
        }
        child.reap_if_ended();
        if child.status.is_none() {
            // SAFETY: no addresses; the pid is our own unreaped child's.
            unsafe { libc::kill(child.pid, libc::SIGKILL) };
        }
        // Not before it is killed: a gate that closes would let it end by itself.
        child.stage = Stage::Closed;
        drop(child);
        self.closing.raise();
        self.reap_later();
    }

    /// On a thread of its own, since even a killed process may take its time. Without one, `status` does it, or the end of this process.
    fn reap_later(&self) {
        let child = Arc::clone(&self.child);
        let pid = self.pid;
        let _ = std::thread::Builder::new()
            .name("kdelay-reap".to_owned())
            .spawn(move || {
                wait_for_end(pid);
                lock(&child).reap_if_ended();
            });
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.close();
    }
}

impl Child {
    fn reap_if_ended(&mut self) {
        if self.status.is_some() {
            return;
        }
        let mut status = 0;
        // SAFETY: `status` is writable, and the pid is our own unreaped child's.
        if unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) } != self.pid {
            return;
        }
        self.status = if libc::WIFSIGNALED(status) {
            Some(ExitStatus::Signal(libc::WTERMSIG(status)))
        } else {
            Some(ExitStatus::Code(libc::WEXITSTATUS(status)))
        };
    }
}

/// For a moment: nothing waits while it has this lock. A thread that panicked with it has left what was true before.
fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until this child of ours has ended, or somebody has reaped it, and does not reap it.
fn wait_for_end(pid: libc::pid_t) {
    loop {
        // SAFETY: plain numbers, for which zeroes are valid; the call fills them in.
        let result = unsafe {
            let mut ended: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(
                libc::P_PID,
                pid as libc::id_t,
                &raw mut ended,
                libc::WEXITED | libc::WNOWAIT,
            )
        };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// The paths that `execve` is to try, as `execvp` would: it is not async-signal-safe. Those where nothing is are left out,
/// since what is tried in vain counts as the command's calls.
fn candidates(program: &str) -> std::result::Result<Vec<CString>, std::ffi::NulError> {
    if program.contains('/') {
        return Ok(vec![CString::new(program)?]);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&path)
        .filter(|folder| folder.join(program).exists())
        .map(|folder| CString::new(folder.join(program).as_os_str().as_bytes()))
        .collect()
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(Error::io("pipe", &io::Error::last_os_error()));
    }
    // SAFETY: the kernel has just made both for us alone.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// All of them, in this thread; returns the mask of before.
fn block_signals() -> Result<libc::sigset_t> {
    // SAFETY: a set of bits, for which zeroes are valid; both sets are whole, and outlive the calls.
    unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) =
            (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) {
            0 => Ok(before),
            error => Err(Error::io(
                "blocking signals",
                &io::Error::from_raw_os_error(error),
            )),
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
