//! Signals that ask for the end.

use napi_derive::napi;

use crate::error::Error;
use crate::kernel::second_signal::exit_at_second;

/// The second SIGINT or SIGTERM ends this process at once, with 128 and its number, also while threads are busy. `hasCome`: the first
/// one has come. After the listeners for them were added.
#[napi]
pub fn exit_at_second_signal(has_come: bool) -> napi::Result<()> {
    exit_at_second(has_come).map_err(|error| Error::io("sigaction", &error).into())
}
