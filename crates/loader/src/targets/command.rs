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
use crate::targets::held_child;

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
        // No signal arrives in the child before it has taken off this process's handlers.
        let mask = block_signals()?;
        // SAFETY: the child calls only async-signal-safe functions, on memory made above, until it execs or exits.
        let pid = unsafe { libc::fork() };
        let forked = io::Error::last_os_error();
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
        // And what is not the command's would be kept open by it: other commands' gates, probes that are to be detached.
        held_child::close_files_but(&[gate.as_raw_fd(), failure.as_raw_fd()]);
        // Node's handlers would tell Node of the child's signals as if they were its own, through a pipe that both have.
        held_child::take_off_handlers();
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
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::{Command, Denial, ErrorKind, ExitStatus};
    use crate::targets::pidfd::{PidFd, wait_readable};

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

    fn close_on_exec_pipe() -> (File, File) {
        let (read, write) = super::pipe().unwrap();
        (File::from(read), File::from(write))
    }

    /// A byte, or the end, or that neither comes.
    fn next_byte(file: &File) -> Option<usize> {
        let ready = wait_readable(&[file.as_raw_fd()], Some(10_000_000_000)).unwrap();
        ready[0].then(|| (&*file).read(&mut [0]).unwrap())
    }

    #[test]
    fn a_held_command_keeps_nothing_open_that_execve_closes() {
        let (read, write) = close_on_exec_pipe();
        let command = Command::spawn(&argv(&["true"]), false).unwrap();
        drop(write);
        assert_eq!(next_byte(&read), Some(0), "the end of the file");
        drop(command);
    }

    #[test]
    fn of_two_held_commands_the_first_ends_alone() {
        let mut first = Command::spawn(&argv(&["true"]), false).unwrap();
        let second = Command::spawn(&argv(&["true"]), false).unwrap();
        let process = PidFd::open(first.pid()).unwrap();
        drop(first.gate.take());
        let ended = wait_readable(&[process.as_raw_fd()], Some(10_000_000_000)).unwrap();
        assert!(ended[0]);
        assert_eq!(first.status(), Some(ExitStatus::Code(0)));
        drop(second);
    }

    #[test]
    fn a_command_inherits_what_execve_leaves_open() {
        let (read, write) = close_on_exec_pipe();
        // SAFETY: a descriptor of our own; its duplicate is closed below.
        let inherited = unsafe { libc::dup(write.as_raw_fd()) };
        drop(write);
        let text = format!("printf x >/proc/self/fd/{inherited}");
        let mut command = Command::spawn(&argv(&["sh", "-c", &text]), false).unwrap();
        // SAFETY: the duplicate made above, of which nobody else knows.
        unsafe { libc::close(inherited) };
        command.release().unwrap();
        assert_eq!(ended(&mut command), ExitStatus::Code(0));
        assert_eq!(next_byte(&read), Some(1));
    }

    static TOLD: AtomicI32 = AtomicI32::new(-1);

    extern "C" fn tell(_: libc::c_int) {
        // SAFETY: one readable byte, and a descriptor that the test keeps open.
        unsafe { libc::write(TOLD.load(Ordering::Relaxed), b"s".as_ptr().cast(), 1) };
    }

    /// As Node's do, the handler writes into a pipe: what the command is sent must not come out of it here.
    #[test]
    fn a_held_command_has_none_of_this_process_s_handlers() {
        let (read, write) = close_on_exec_pipe();
        TOLD.store(write.as_raw_fd(), Ordering::Relaxed);
        let handler = tell as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: a handler that makes one async-signal-safe call, for a signal that nobody else here uses.
        let before = unsafe { libc::signal(libc::SIGUSR2, handler) };
        let mut command = Command::spawn(&argv(&["true"]), false).unwrap();
        // SAFETY: our own unreaped child.
        unsafe { libc::kill(command.pid, libc::SIGUSR2) };
        command.close();
        // SAFETY: what it was before.
        unsafe { libc::signal(libc::SIGUSR2, before) };
        assert_eq!(command.status(), Some(ExitStatus::Signal(libc::SIGUSR2)));
        drop(write);
        assert_eq!(next_byte(&read), Some(0), "nobody was told");
    }

    #[test]
    fn a_command_ignores_what_this_process_was_made_to_ignore() {
        // SAFETY: no handler; a signal that nobody else here uses.
        let before = unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
        let text = "kill -USR1 $$; exit 7";
        let mut command = Command::spawn(&argv(&["sh", "-c", text]), false).unwrap();
        // SAFETY: what it was before.
        unsafe { libc::signal(libc::SIGUSR1, before) };
        command.release().unwrap();
        assert_eq!(ended(&mut command), ExitStatus::Code(7));
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
