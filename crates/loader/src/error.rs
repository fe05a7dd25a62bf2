//! What can go wrong: a kind that callers act on, one line that says what happened, a hint that says what to do, and what it came
//! of, as fields.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use aya::maps::MapError;
use aya::programs::ProgramError;

/// Stable: the names are part of the API, and each has an exit code in the CLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    InvalidArgument,
    NoSuchProcess,
    /// A zombie, or it ended before the probes were attached.
    ProcessEnded,
    KernelThread,
    NoSuchCommand,
    /// A trigger names nothing that there is, or nothing that can be probed.
    NoSuchProbe,
    /// The kernel lacks, or refuses, what the probes need.
    KernelUnsupported,
    NotPermitted,
    /// A call that does not fit the session's state, such as reading while the window is open.
    WrongState,
    Io,
    Internal,
}

impl ErrorKind {
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NoSuchProcess => "NO_SUCH_PROCESS",
            Self::ProcessEnded => "PROCESS_ENDED",
            Self::KernelThread => "KERNEL_THREAD",
            Self::NoSuchCommand => "NO_SUCH_COMMAND",
            Self::NoSuchProbe => "NO_SUCH_PROBE",
            Self::KernelUnsupported => "KERNEL_UNSUPPORTED",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::WrongState => "WRONG_STATE",
            Self::Io => "IO",
            Self::Internal => "INTERNAL",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_deref().map(|hint| format!("\n{hint}")).unwrap_or_default())]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    pub hint: Option<String>,
    /// `None`: it came of nothing below, such as a pid that no process has.
    #[source]
    pub cause: Option<Cause>,
}

pub type Result<T> = std::result::Result<T, Error>;

/// What an error came of. Whoever decides by it needs no text.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Cause {
    /// The error below, in its own words, on one line.
    pub text: String,
    /// The number of the system call's error; `None`: none was made, or it did not fail.
    pub errno: Option<i32>,
    /// The probe's tracepoint, or the trigger, that was refused.
    pub probe: Option<String>,
    /// Of [`ErrorKind::NotPermitted`]: what forbids it.
    pub denied_by: Option<Denial>,
}

/// What stands between a user and what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The process lacks capabilities that root has.
    Capabilities,
    /// It has them in a user namespace of its own, where they do not count.
    UserNamespace,
    /// It has them: a seccomp profile, or a security module, refuses also root.
    Policy,
    /// The kernel is locked down.
    Lockdown,
    /// The file's mode.
    FileMode,
}

impl Denial {
    pub fn name(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::UserNamespace => "user namespace",
            Self::Policy => "policy",
            Self::Lockdown => "lockdown",
            Self::FileMode => "file mode",
        }
    }
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            cause: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// An error of this machine's that no input explains.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {error}")).cause(Cause::of(error))
    }
}

impl Cause {
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        Self {
            text: first_line(&chain(error)).to_owned(),
            errno: errno(error),
            ..Self::default()
        }
    }

    pub fn probe(mut self, probe: impl Into<String>) -> Self {
        self.probe = Some(probe.into());
        self
    }

    pub fn denied_by(mut self, denial: Denial) -> Self {
        self.denied_by = Some(denial);
        self
    }
}

pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The error and what caused it, in one line, with the verifier's log after it if there is one.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    match text.strip_suffix(". Verifier output: ") {
        Some(without_log) => without_log.to_owned(),
        None => text,
    }
}

/// The number of the first error of a system call's in the chain.
fn errno(error: &(dyn StdError + 'static)) -> Option<i32> {
    own_errno(error).or_else(|| errno(error.source()?))
}

fn own_errno(error: &(dyn StdError + 'static)) -> Option<i32> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.raw_os_error();
    }
    // These stand for the error inside of them, and so have its source and not itself for one.
    match error.downcast_ref::<ProgramError>() {
        Some(ProgramError::IOError(error)) => return error.raw_os_error(),
        Some(ProgramError::MapError(error)) => return own_errno(error),
        _ => {}
    }
    match error.downcast_ref::<MapError>() {
        Some(MapError::IoError(error)) => error.raw_os_error(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use aya::EbpfError;
    use aya::maps::MapError;
    use aya::programs::ProgramError;
    use aya::sys::SyscallError;

    use super::{Cause, Error, ErrorKind};

    fn system(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    #[test]
    fn the_number_is_found_wherever_aya_keeps_it() {
        let call = || SyscallError {
            call: "bpf_map_create",
            io_error: system(libc::EPERM),
        };
        let map = || MapError::CreateError {
            name: "THREADS".to_owned(),
            io_error: system(libc::EPERM),
        };
        let causes = [
            Cause::of(&system(libc::EPERM)),
            Cause::of(&call()),
            Cause::of(&map()),
            Cause::of(&MapError::IoError(system(libc::EPERM))),
            Cause::of(&MapError::SyscallError(call())),
            Cause::of(&ProgramError::SyscallError(call())),
            Cause::of(&ProgramError::IOError(system(libc::EPERM))),
            Cause::of(&ProgramError::MapError(map())),
            Cause::of(&ProgramError::MapError(MapError::IoError(system(
                libc::EPERM,
            )))),
            Cause::of(&EbpfError::MapError(map())),
            Cause::of(&EbpfError::ProgramError(ProgramError::IOError(system(
                libc::EPERM,
            )))),
        ];
        for cause in causes {
            assert_eq!(cause.errno, Some(libc::EPERM), "{cause}");
            assert!(
                cause.text.ends_with("Operation not permitted (os error 1)"),
                "{cause}"
            );
        }
    }

    #[test]
    fn what_is_no_system_call_s_has_no_number() {
        for cause in [
            Cause::of(&ProgramError::NotLoaded),
            Cause::of(&MapError::KeyNotFound),
            Cause::of(&io::Error::other("(os error 1)")),
        ] {
            assert_eq!(cause.errno, None, "{cause}");
        }
    }

    #[test]
    fn an_error_shows_its_hint_and_leads_to_its_cause() {
        let error = Error::io("fork", &system(libc::EAGAIN)).hint("try again");
        assert_eq!(
            error.to_string(),
            "fork: Resource temporarily unavailable (os error 11)\ntry again"
        );
        let source = error.source().unwrap().downcast_ref::<Cause>().unwrap();
        assert_eq!(source.errno, Some(libc::EAGAIN));
        assert!(Error::new(ErrorKind::Io, "x").source().is_none());
    }
}
