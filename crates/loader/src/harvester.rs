//! A thread of this process that takes in the records of threads that have ended, so that a window does not run out of
//! records however many threads come and go in it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::pending::Stage;
use crate::priority;
use crate::state::Shared;

/// How often it looks while a window is open: the least number of records then serves 100,000 threads a second, many more
/// than a CPU starts and ends.
const INTERVAL: Duration = Duration::from_millis(10);
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
        if let Err(error) = state.harvest() {
            return state.fail(error);
        }
        state = match state.liveliest() {
            Some(Stage::Open(_)) => shared.wait_at_most(state, INTERVAL),
            Some(Stage::Armed) => shared.wait_at_most(state, ARMED_INTERVAL),
            _ => shared.wait(state),
        };
    }
}
