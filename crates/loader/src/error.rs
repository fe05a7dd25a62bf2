//! What can go wrong, as a kind that callers act on, one line that says what happened, and a hint that says what to do.

use std::fmt;

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    pub hint: Option<String>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of this machine's that no input explains.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
