//! A command that is started but held just before its `execve`, so that the probes are attached when it begins.
//!
//! `std::process` and `posix_spawn` return only after the `execve`; hence a `fork` of our own, whose child does
//! nothing but async-signal-safe calls on memory prepared before.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Cause, Denial, Error, ErrorKind, Result};
use crate::kernel::capability::Capability;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
}

pub struct Command {
    pid: libc::pid_t,
    program: String,
    path: Option<String>,
    /// Writing to it lets the child go on; dropping it unwritten ends the child.
    gate: Option<OwnedFd>,
    /// Ends with the `execve`, or carries its error number.
    failure: OwnedFd,
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
        // SAFETY: the child calls only async-signal-safe functions, on memory made above, until it execs or exits.
        let pid = unsafe { libc::fork() };
        if pid < 0 {
            return Err(Error::io("fork", &io::Error::last_os_error()));
        }
        if pid == 0 {
            // SAFETY: in the child; see `run_child`.
            unsafe {
                run_child(
                    &gate_read,
                    &gate_write,
                    &failure_write,
                    stdout_to_stderr,
                    &candidates,
                    &pointers,
                )
            }
        }
        Ok(Self {
            pid,
            program,
            path: candidates
                .first()
                .and_then(|path| path.to_str().ok().map(str::to_owned)),
            gate: Some(gate_write),
            failure: failure_read,
            status: None,
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// The file that it will execute; `None`: there is none of that name, or its path is no text.
    pub fn path(&self) -> Option<String> {
        self.path.clone()
    }

    /// Lets the command begin. Fails if its program cannot be executed.
    pub fn release(&mut self) -> Result<()> {
        let Some(gate) = self.gate.take() else {
            return Ok(());
        };
        // SAFETY: one readable byte. The child holds the other end, or has been killed, which the read below shows.
        unsafe { libc::write(gate.as_raw_fd(), b"g".as_ptr().cast(), 1) };
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
            return Ok(());
        }
        self.reap(0);
        let error = io::Error::from_raw_os_error(i32::from_ne_bytes(number));
        let cause = Cause::of(&error);
        let (kind, cause) = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                (ErrorKind::NotPermitted, cause.denied_by(Denial::FileMode))
            }
            _ => (ErrorKind::NoSuchCommand, cause),
        };
        let message = format!("{}: {error}", self.program.escape_debug());
        Err(Error::new(kind, message)
            .hint("the command is looked up in PATH, as a shell does, but is not given to a shell")
            .cause(cause))
    }

    /// How it ended; `None` while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.reap(libc::WNOHANG);
        self.status
    }

    fn reap(&mut self, flags: libc::c_int) {
        if self.status.is_some() {
            return;
        }
        let mut status = 0;
        // SAFETY: `status` is writable, and the pid is our own unreaped child's.
        if unsafe { libc::waitpid(self.pid, &raw mut status, flags) } != self.pid {
            return;
        }
        self.status = if libc::WIFSIGNALED(status) {
            Some(ExitStatus::Signal(libc::WTERMSIG(status)))
        } else {
            Some(ExitStatus::Code(libc::WEXITSTATUS(status)))
        };
    }

    /// Ends a command that was never released. One that was runs on.
    pub fn close(&mut self) {
        if self.gate.take().is_some() {
            self.reap(0);
        }
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.close();
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

/// # Safety
/// Only in a freshly forked child. `arguments` ends with null and points to strings.
unsafe fn run_child(
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

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

#[cfg(test)]
mod tests {
    use super::{Command, Denial, ErrorKind, ExitStatus};

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn ended(command: &mut Command) -> ExitStatus {
        loop {
            if let Some(status) = command.status() {
                return status;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_command_does_nothing_until_it_is_released() {
        let mut command = Command::spawn(&argv(&["sh", "-c", "exit 7"]), false).unwrap();
        assert_eq!(command.status(), None);
        command.release().unwrap();
        assert_eq!(ended(&mut command), ExitStatus::Code(7));
    }

    #[test]
    fn a_command_that_is_never_released_ends() {
        let mut command = Command::spawn(&argv(&["sh", "-c", "exit 7"]), false).unwrap();
        command.close();
        assert_eq!(
            command.status(),
            Some(ExitStatus::Code(0)),
            "it ended before its execve"
        );
    }

    #[test]
    fn what_cannot_be_executed_says_why() {
        let failure = |words: &[&str]| {
            Command::spawn(&argv(words), false)
                .unwrap()
                .release()
                .unwrap_err()
        };
        let missing = failure(&["no-such-command-anywhere"]);
        assert_eq!(missing.kind, ErrorKind::NoSuchCommand);
        assert_eq!(missing.cause.unwrap().errno, Some(libc::ENOENT));
        let closed = failure(&["/etc/passwd"]);
        assert_eq!(closed.kind, ErrorKind::NotPermitted);
        let cause = closed.cause.unwrap();
        assert_eq!(cause.errno, Some(libc::EACCES));
        assert_eq!(cause.denied_by, Some(Denial::FileMode));
        assert_eq!(
            Command::spawn(&[], false).err().unwrap().kind,
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            Command::spawn(&argv(&["a\0b"]), false).err().unwrap().kind,
            ErrorKind::InvalidArgument
        );
    }

    #[test]
    fn a_signal_is_told_from_a_code() {
        let mut command = Command::spawn(&argv(&["sh", "-c", "kill -9 $$"]), false).unwrap();
        command.release().unwrap();
        assert_eq!(ended(&mut command), ExitStatus::Signal(9));
    }
}
