//! What Node.js sees: the session, the command and the look-ups of this crate, behind names that start with `Binding`.
//!
//! What takes time runs on libuv's threads. An error crosses as text, `CODE\nmessage` and, if there is one, `\nhint`:
//! napi's asynchronous tasks carry no other field. A panic is caught by napi and becomes an error.

mod command;
mod debug_files;
mod doctor;
mod probes;
mod processes;
mod sample;
mod session;

use napi::Status;

use crate::error::Error;

impl From<Error> for napi::Error {
    fn from(error: Error) -> Self {
        Self::new(
            Status::GenericFailure,
            format!("{}\n{error}", error.kind.code()),
        )
    }
}
