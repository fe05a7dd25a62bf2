use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use super::{Command, Denial, ErrorKind, ExitStatus, Stage, lock};
use crate::targets::pidfd::{PidFd, wait_readable};

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn ended(command: &Command) -> ExitStatus {
    loop {
        if let Some(status) = command.status() {
            return status;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_command_does_nothing_until_it_is_released() {
    let command = Command::spawn(&argv(&["sh", "-c", "exit 7"]), false).unwrap();
    assert_eq!(command.status(), None);
    assert!(command.release().unwrap());
    assert_eq!(ended(&command), ExitStatus::Code(7));
}

#[test]
fn a_command_that_is_never_released_ends() {
    let command = Command::spawn(&argv(&["sh", "-c", "exit 7"]), false).unwrap();
    command.close();
    assert_eq!(ended(&command), ExitStatus::Signal(libc::SIGKILL));
    assert!(!command.release().unwrap(), "it will not run");
}

#[test]
fn a_command_that_is_dropped_unreleased_is_killed_and_reaped() {
    let command = stopped(&["true"]);
    let process = PidFd::open(command.pid()).unwrap();
    drop(command);
    // Nobody asks for its status.
    while !process.is_reaped() {
        std::thread::yield_now();
    }
}

/// A command that is held, and does not get on when it is released either.
fn stopped(words: &[&str]) -> Command {
    let command = Command::spawn(&argv(words), false).unwrap();
    // SAFETY: our own unreaped child.
    unsafe { libc::kill(command.pid, libc::SIGSTOP) };
    wait_until_stopped(&command);
    command
}

fn wait_until_stopped(command: &Command) {
    let flags = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
    // SAFETY: our own unreaped child; zeroes are valid numbers, and the call fills them in.
    unsafe {
        let mut seen: libc::siginfo_t = std::mem::zeroed();
        let pid = command.pid as libc::id_t;
        assert_eq!(libc::waitid(libc::P_PID, pid, &raw mut seen, flags), 0);
        assert_eq!(seen.si_code, libc::CLD_STOPPED);
    }
}

#[test]
fn while_a_release_waits_the_command_can_be_closed() {
    let command = stopped(&["sh", "-c", "exit 7"]);
    std::thread::scope(|scope| {
        let release = scope.spawn(|| command.release().unwrap());
        while !matches!(lock(&command.child).stage, Stage::Released) {
            std::thread::yield_now();
        }
        assert_eq!(command.status(), None);
        command.close();
        assert!(!release.join().unwrap(), "it did not begin");
    });
    assert_eq!(ended(&command), ExitStatus::Signal(libc::SIGKILL));
}

#[test]
fn a_release_waits_for_a_stopped_command_to_go_on() {
    let command = stopped(&["sh", "-c", "exit 7"]);
    std::thread::scope(|scope| {
        let release = scope.spawn(|| command.release().unwrap());
        while !matches!(lock(&command.child).stage, Stage::Released) {
            std::thread::yield_now();
        }
        // SAFETY: our own unreaped child.
        unsafe { libc::kill(command.pid, libc::SIGCONT) };
        assert!(release.join().unwrap());
    });
    assert_eq!(ended(&command), ExitStatus::Code(7));
}

#[test]
fn a_command_that_runs_is_left_to_itself() {
    let command = Command::spawn(&argv(&["sh", "-c", "kill -STOP $$; exit 7"]), false).unwrap();
    assert!(command.release().unwrap());
    command.close();
    wait_until_stopped(&command);
    // SAFETY: our own unreaped child.
    unsafe { libc::kill(command.pid, libc::SIGCONT) };
    assert_eq!(ended(&command), ExitStatus::Code(7));
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
    let first = Command::spawn(&argv(&["true"]), false).unwrap();
    let second = Command::spawn(&argv(&["true"]), false).unwrap();
    let process = PidFd::open(first.pid()).unwrap();
    // Its gate closes, unwritten.
    lock(&first.child).stage = Stage::Closed;
    let is_over = wait_readable(&[process.as_raw_fd()], Some(10_000_000_000)).unwrap();
    assert!(is_over[0]);
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
    let command = Command::spawn(&argv(&["sh", "-c", &text]), false).unwrap();
    // SAFETY: the duplicate made above, of which nobody else knows.
    unsafe { libc::close(inherited) };
    command.release().unwrap();
    assert_eq!(ended(&command), ExitStatus::Code(0));
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
    let command = Command::spawn(&argv(&["true"]), false).unwrap();
    // SAFETY: our own unreaped child.
    unsafe { libc::kill(command.pid, libc::SIGUSR2) };
    let status = ended(&command);
    // SAFETY: what it was before.
    unsafe { libc::signal(libc::SIGUSR2, before) };
    assert_eq!(status, ExitStatus::Signal(libc::SIGUSR2));
    drop(write);
    assert_eq!(next_byte(&read), Some(0), "nobody was told");
}

#[test]
fn a_command_ignores_what_this_process_was_made_to_ignore() {
    // SAFETY: no handler; a signal that nobody else here uses.
    let before = unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    let text = "kill -USR1 $$; exit 7";
    let command = Command::spawn(&argv(&["sh", "-c", text]), false).unwrap();
    // SAFETY: what it was before.
    unsafe { libc::signal(libc::SIGUSR1, before) };
    command.release().unwrap();
    assert_eq!(ended(&command), ExitStatus::Code(7));
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
    let command = Command::spawn(&argv(&["sh", "-c", "kill -9 $$"]), false).unwrap();
    command.release().unwrap();
    assert_eq!(ended(&command), ExitStatus::Signal(9));
}
