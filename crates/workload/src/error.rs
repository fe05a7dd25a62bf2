//! What can go wrong in a workload, and the exit code (sysexits.h) it ends with.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// The command line asks for something that does not exist or is out of range.
    #[error("{0}")]
    Usage(String),
    /// The kernel refused what the set-up needs.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// The other side of stdin and stdout left the protocol.
    #[error("{0}")]
    Protocol(String),
}

impl WorkloadError {
    pub fn system(what: impl Into<String>, source: io::Error) -> Self {
        Self::System {
            what: what.into(),
            source,
        }
    }

    /// For a call that has just failed: takes the reason from errno.
    pub fn last(what: impl Into<String>) -> Self {
        Self::system(what, io::Error::last_os_error())
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::System { .. } => 71,
            Self::Protocol(_) => 76,
        }
    }
}
