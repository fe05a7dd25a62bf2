//! A thread of this process that takes in the records of threads that have ended, so that a window does not run out of
//! records however many threads come and go in it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::state::{Phase, Shared};
use crate::sys::GracePeriod;

/// How often it looks while a window is open. With a grace period of 20 ms more, the least number of records serves
/// 30,000 threads a second. It looks again at once while there are some.
const INTERVAL: Duration = Duration::from_millis(10);

/// Runs until the session is closed.
pub fn start(shared: Arc<Shared>) -> Result<()> {
    let grace_period = GracePeriod::new()?;
    std::thread::Builder::new()
        .name("kdelay-harvest".to_owned())
        .spawn(move || run(&shared, &grace_period))
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(())
}

/// Its work is short, and what comes too late is lost. Without the privilege it keeps its place: a busy machine may then
/// lose threads, which is counted.
const NICENESS: libc::c_int = -15;

fn run(shared: &Shared, grace_period: &GracePeriod) {
    // SAFETY: no addresses; 0 stands for the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    let mut state = shared.lock();
    while state.attached.is_some() {
        let harvest = match state.begin_harvest() {
            Ok(Some(harvest)) => harvest,
            Ok(None) => {
                state = if matches!(state.phase, Phase::Open(_)) {
                    shared.wait_at_most(state, INTERVAL)
                } else {
                    shared.wait(state)
                };
                continue;
            }
            Err(error) => return state.fail(error),
        };
        drop(state);
        let grace = grace_period.wait();
        state = shared.lock();
        if let Err(error) = grace.and_then(|()| state.take_in(harvest)) {
            return state.fail(error);
        }
    }
}
