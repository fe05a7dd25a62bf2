//! Signals that ask for the end.

use napi_derive::napi;

use crate::error::Error;
use crate::kernel::kept_file;
use crate::kernel::second_signal::exit_at_second;

/// The second SIGINT or SIGTERM ends this process at once, with 128 and its number, also while threads are busy. `hasCome`: the first
/// one has come. After the listeners for them were added.
#[napi]
pub fn exit_at_second_signal(has_come: bool) -> napi::Result<()> {
    exit_at_second(has_come).map_err(|error| Error::io("sigaction", &error).into())
}

/// A regular file that is being written, at a place where it may end.
#[napi(object, object_to_js = false)]
pub struct BindingKeptFile {
    /// By which it is written.
    pub fd: i32,
    /// Bytes.
    pub length: i64,
    /// What it needs behind them to be whole.
    pub end: String,
}

/// The second signal leaves that of the file, whatever is written by then; null: what there is.
#[napi]
pub fn keep_at_second_signal(file: Option<BindingKeptFile>) -> napi::Result<()> {
    let Some(BindingKeptFile { fd, length, end }) = file else {
        kept_file::keep_none();
        return Ok(());
    };
    kept_file::keep(fd, length, end.into_bytes())
        .map_err(|error| Error::io("keeping the file for a second signal", &error).into())
}
