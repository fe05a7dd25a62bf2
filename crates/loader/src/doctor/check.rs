//! One thing that was tried, and what came of it.

use crate::error::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    /// Captures work, with less or at a higher cost.
    Degraded,
    Failed,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub status: Status,
    pub detail: String,
    /// What to do; none when all is well.
    pub hint: Option<String>,
}

pub fn check(
    name: impl Into<String>,
    status: Status,
    detail: impl Into<String>,
    hint: Option<&str>,
) -> Check {
    Check {
        name: name.into(),
        status,
        detail: detail.into(),
        hint: hint.map(str::to_owned),
    }
}

pub fn failed(name: &str, error: Error) -> Check {
    Check {
        name: name.to_owned(),
        status: Status::Failed,
        detail: error.message,
        hint: error.hint,
    }
}
