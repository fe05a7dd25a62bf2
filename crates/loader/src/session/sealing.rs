//! The last look at a closed window's threads before it is sealed. It may fail, and takes nothing from the window: then that can be
//! read again.

use std::time::Duration;

use crate::error::Result;
use crate::kernel::clock::monotonic_ns;
use crate::probes::control;
use crate::sample::Thread;
use crate::session::shared::Shared;
use crate::session::state::Closed;
use crate::session::steal::{StolenTime, stolen_between};
use crate::targets::identity::Identity;
use crate::threads::{idle, records};

/// What was found out before the window was sealed, and may have failed: until then nothing is taken from it.
pub struct Looked {
    pub there: Vec<Identity>,
    pub idle: Vec<Thread>,
    pub stolen_ns: Option<i64>,
}

pub fn sleep_until(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns.saturating_sub(monotonic_ns())));
}

/// Asks /proc what the window's records will not tell, and seals it: none of its threads gets a record any more.
pub fn look(shared: &Shared, closed: &Closed) -> Result<Looked> {
    let Closed {
        window,
        start,
        stop,
        attached,
    } = closed;
    sleep_until(stop.at_ns);
    let stolen_at_stop = window.stolen_at_stop.or_else(StolenTime::now);
    let stolen_ns = stolen_between(
        [start.at_ns, stop.at_ns],
        [window.stolen_at_start, stolen_at_stop],
    );
    let mut there = shared.living.there(&attached.maps)?;
    // Before the window is sealed: a thread that these looks disturb in what it was doing gets a record by its event.
    let recorded = records::recorded(&attached.maps, window.number);
    let mut idle = idle::look(&recorded, &there, start.at_ns, stop.at_ns)?;
    control::seal(&attached.probes, window.number)?;
    attached.grace_period.wait()?;
    let still = shared.living.still_there(&there, &attached.maps)?;
    there.retain(|identity| still.contains(&identity.pid));
    idle.retain(|thread| still.contains(&thread.pid));
    Ok(Looked {
        there,
        idle,
        stolen_ns,
    })
}
