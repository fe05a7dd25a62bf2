//! A thread of this process that takes in the records of threads that have ended, so that a window does not run out of
//! records however many threads come and go in it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::pending::Stage;
use crate::priority;
use crate::state::Shared;

/// How often it looks while a window is open and few threads end.
const INTERVAL: Duration = Duration::from_millis(10);
/// While many do: to take in a thousand takes longer than that.
const BUSY_INTERVAL: Duration = Duration::from_millis(1);
/// Of the least number of records, an eighth.
const MANY: usize = 128;
/// While a window is armed, as far as is known: nobody may be waiting for it to open.
const ARMED_INTERVAL: Duration = Duration::from_millis(100);

/// Runs until the session is closed.
pub fn start(shared: Arc<Shared>) -> Result<()> {
    std::thread::Builder::new()
        .name("kdelay-harvest".to_owned())
        .spawn(move || run(&shared))
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(())
}

fn run(shared: &Shared) {
    priority::raise();
    let mut state = shared.lock();
    while state.attached.is_some() {
        let interval = match state.harvest() {
            Ok(ended) if ended >= MANY => BUSY_INTERVAL,
            Ok(_) => INTERVAL,
            Err(error) => return state.fail(error),
        };
        state = match state.liveliest() {
            Some(Stage::Open(_)) => shared.wait_at_most(state, interval),
            Some(Stage::Armed) => shared.wait_at_most(state, ARMED_INTERVAL),
            _ => shared.wait(state),
        };
    }
}
