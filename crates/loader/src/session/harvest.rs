//! Threads that have ended give their records back while their window is open.

use std::collections::HashSet;

use abi::thread::record::{Ended, ThreadRecord};

use crate::error::Result;
use crate::kernel::clock::monotonic_ns;
use crate::probes::maps::Maps;
use crate::session::window::{Harvested, PendingWindow};
use crate::targets::stopped::StoppedAtStart;
use crate::threads::records::{has_ended, read};

/// Threads of one window that may give back their records before it is closed: as many as a report can hold.
const MOST_HARVESTED: usize = 1 << 16;

/// A window, as far as its harvest is concerned.
pub struct Field {
    number: u32,
    stop_ns: u64,
    stopped: StoppedAtStart,
    harvested: Harvested,
}

impl From<&PendingWindow> for Field {
    fn from(window: &PendingWindow) -> Self {
        Self {
            number: window.number,
            stop_ns: window.stop_ns(),
            stopped: window.stopped.clone(),
            harvested: window.harvested.clone(),
        }
    }
}

/// Reads threads that have ended, and frees their records: no program will use them again, since the last one that did ran on the
/// thread's own CPU and had nothing more to do with it. At most so many threads are seen in all; the records of those after
/// them stay in use until their window is read, as do those of a window that nobody harvests any more.
pub fn harvest(maps: &Maps, ended: &[Ended], fields: &[Field]) -> Result<()> {
    for field in fields {
        let records = records(maps, ended, field.number);
        if records.is_empty() {
            continue;
        }
        let harvested = field.harvested.with(|seen| -> Result<()> {
            if seen.threads.len() >= MOST_HARVESTED {
                return Ok(());
            }
            let now_ns = monotonic_ns().min(field.stop_ns);
            read(maps, &records, field.number, now_ns, &field.stopped, seen)?;
            records.iter().try_for_each(|&record| maps.free(record))
        });
        harvested.transpose()?;
    }
    Ok(())
}

/// The window's among them. A record may have been freed with its window, before the thread's end was told, and be another's by
/// now.
fn records(maps: &Maps, ended: &[Ended], window: u32) -> Vec<*mut ThreadRecord> {
    let mut slots = HashSet::new();
    ended
        .iter()
        .filter(|ended| ended.window == window && slots.insert(ended.slot))
        .filter_map(|ended| {
            maps.record(ended.slot)
                .filter(|&record| has_ended(record, ended))
        })
        .collect()
}
