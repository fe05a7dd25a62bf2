//! Threads that have ended give their records back while their window is open.

use std::collections::{HashSet, VecDeque};

use abi::thread::record::ThreadRecord;

use crate::error::Result;
use crate::kernel::clock::monotonic_ns;
use crate::probes::maps::Maps;
use crate::session::window::PendingWindow;
use crate::threads::records::{identity, read};

/// Threads of one window that may give back their records before it is closed: as many as a report can hold.
const MOST_HARVESTED: usize = 1 << 16;

/// Reads the threads that have ended since the last call, and frees their records: no program will use them again, since
/// the last one that did ran on the thread's own CPU and had nothing more to do with it. At most so many threads are seen
/// in all; the records of those after them stay in use until their window is read.
pub fn harvest(maps: &mut Maps, windows: &mut VecDeque<PendingWindow>) -> Result<()> {
    let ended = maps.take_ended();
    if ended.is_empty() {
        return Ok(());
    }
    for window in windows {
        // A record may have been freed with its window, before the thread's end was told, and be another's by now.
        let threads: HashSet<(u64, u64)> = ended
            .iter()
            .filter(|ended| ended.window == window.number)
            .map(|ended| (ended.task, ended.start_time_ns))
            .collect();
        if threads.is_empty() || window.seen.threads.len() >= MOST_HARVESTED {
            continue;
        }
        // An interrupt may have made a second record of the same thread: that one is no thread's of its own.
        let records: Vec<*mut ThreadRecord> = maps
            .used(window.number)
            .filter(|&record| threads.contains(&identity(record)))
            .collect();
        let now_ns = monotonic_ns().min(window.stop_ns());
        read(
            maps,
            &records,
            window.number,
            now_ns,
            &window.stopped_at_start,
            &mut window.seen,
        )?;
        records.iter().try_for_each(|&record| maps.free(record))?;
    }
    Ok(())
}
