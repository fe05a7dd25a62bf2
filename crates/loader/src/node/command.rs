//! The command that a session measures from its first instruction on.

use std::sync::Arc;

use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;

use crate::error::Error;
use crate::targets::command::{Command, ExitStatus};

#[napi(object, use_nullable = true)]
pub struct BindingExitStatus {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// A command that is held just before its `execve`, so that the probes are attached when it begins.
#[napi]
pub struct BindingCommand {
    command: Arc<Command>,
}

#[napi]
impl BindingCommand {
    /// Its stdin and stderr are the caller's; so is its stdout, unless it is to go to stderr.
    #[napi(factory)]
    pub fn spawn(argv: Vec<String>, stdout_to_stderr: bool) -> napi::Result<Self> {
        Ok(Self {
            command: Arc::new(Command::spawn(&argv, stdout_to_stderr)?),
        })
    }

    #[napi(getter)]
    pub fn pid(&self) -> u32 {
        self.command.pid()
    }

    /// The file that it will execute: the first of that name in PATH.
    #[napi(getter)]
    pub fn path(&self) -> Option<String> {
        self.command.path()
    }

    /// Lets it begin. Resolves when it has begun, which takes as long as it is stopped or its file system does not answer; with false
    /// if it was closed before. Rejects if its program cannot be executed.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn release<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred::<bool, fn(Env) -> napi::Result<bool>>()?;
        let command = Arc::clone(&self.command);
        // Not a task: nobody knows how long it takes, and Node waits for its threads also when it exits.
        std::thread::Builder::new()
            .name("kdelay-release".to_owned())
            .spawn(move || match command.release() {
                Ok(true) => deferred.resolve(|_| Ok(true)),
                Ok(false) => deferred.resolve(|_| Ok(false)),
                Err(error) => deferred.reject(error.into()),
            })
            .map_err(|error| Error::io("starting a thread", &error))?;
        Ok(promise)
    }

    /// Kills a command that has not begun; one that has runs on. A release that waits resolves.
    #[napi]
    pub fn close(&self) {
        self.command.close();
    }

    /// How it ended; null while it runs.
    #[napi]
    pub fn status(&self) -> Option<BindingExitStatus> {
        self.command.status().map(|status| match status {
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
