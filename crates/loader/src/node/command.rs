//! The command that a session measures from its first instruction on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi_derive::napi;

use crate::targets::command::{Command, ExitStatus};

#[napi(object, use_nullable = true)]
pub struct BindingExitStatus {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// A command that is held just before its `execve`, so that the probes are attached when it begins.
#[napi]
pub struct BindingCommand {
    command: Mutex<Command>,
}

#[napi]
impl BindingCommand {
    /// Its stdin and stderr are the caller's; so is its stdout, unless it is to go to stderr.
    #[napi(factory)]
    pub fn spawn(argv: Vec<String>, stdout_to_stderr: bool) -> napi::Result<Self> {
        Ok(Self {
            command: Mutex::new(Command::spawn(&argv, stdout_to_stderr)?),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Command> {
        self.command.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[napi(getter)]
    pub fn pid(&self) -> u32 {
        self.lock().pid()
    }

    /// The file that it will execute: the first of that name in PATH.
    #[napi(getter)]
    pub fn path(&self) -> Option<String> {
        self.lock().path()
    }

    /// Lets it begin. Throws if its program cannot be executed.
    #[napi]
    pub fn release(&self) -> napi::Result<()> {
        Ok(self.lock().release()?)
    }

    /// Ends a command that was never released; one that was runs on.
    #[napi]
    pub fn close(&self) {
        self.lock().close();
    }

    /// How it ended; null while it runs.
    #[napi]
    pub fn status(&self) -> Option<BindingExitStatus> {
        self.lock().status().map(|status| match status {
            ExitStatus::Code(code) => BindingExitStatus {
                code: Some(code),
                signal: None,
            },
            ExitStatus::Signal(signal) => BindingExitStatus {
                code: None,
                signal: Some(signal),
            },
        })
    }
}
