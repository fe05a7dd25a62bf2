//! The threads of a sample: each once, by what is known best of it.

use std::collections::{HashMap, HashSet};

use crate::sample::{Start, Stop, Thread};
use crate::targets::identity::Identity;
use crate::threads::seen::{FirstEvent, SeenThread};
use crate::threads::{all_along, idle};

/// Whether a thread without a record was without events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    All,
    /// Some found no record: whose they were nobody knows.
    SomeLost,
}

/// Each thread once: by its own record, else by its first event after the window, else as /proc showed it. Where events were lost, the
/// last two would be made up: what such threads did is unknown. `there`: the processes of which /proc may tell.
pub fn merged(
    seen: Vec<SeenThread>,
    mut firsts: HashMap<(u32, u32), FirstEvent>,
    idle: Vec<Thread>,
    there: &[Identity],
    (start, stop): (&Start, &Stop),
    events: Events,
) -> Vec<Thread> {
    let alive: HashSet<(u32, u32)> = seen
        .iter()
        .filter(|seen| !seen.thread.exited)
        .map(|seen| (seen.thread.pid, seen.thread.tid))
        .collect();
    // One that has begun to exit may have its last events in the next window.
    let all: HashSet<(u32, u32, u64)> = seen
        .iter()
        .map(|seen| (seen.thread.pid, seen.thread.tid, seen.first.start_time_ns))
        .collect();
    let mut threads = idle::settle_seen(seen, there, stop.at_ns);
    firsts.retain(|&(pid, tid), first| {
        !alive.contains(&(pid, tid)) && !all.contains(&(pid, tid, first.start_time_ns))
    });
    let wall_ns = stop.at_ns.saturating_sub(start.at_ns);
    let unseen = idle.into_iter().filter(|thread| {
        let key = (thread.pid, thread.tid);
        !alive.contains(&key) && !firsts.contains_key(&key)
    });
    let unseen = unseen.chain(
        firsts
            .values()
            .map(|first| all_along::all_along(first, wall_ns)),
    );
    threads.extend(unseen.map(|thread| match events {
        Events::All => thread,
        Events::SomeLost => {
            let Thread {
                pid,
                tid,
                comm,
                kernel_only,
                ..
            } = thread;
            Thread {
                kernel_only,
                ..all_along::without_events(pid, tid, comm, wall_ns as i64)
            }
        }
    }));
    threads
}

/// These, and the processes of the threads that were seen; in the order in which they appeared, as far as it is known.
pub fn with_seen(mut pids: Vec<u32>, seen: &[SeenThread]) -> Vec<u32> {
    let mut begins: HashMap<u32, u64> = HashMap::new();
    for SeenThread {
        thread, begin_ns, ..
    } in seen
    {
        let begin = begins.entry(thread.pid).or_insert(*begin_ns);
        *begin = (*begin).min(*begin_ns);
    }
    let known: HashSet<u32> = pids.iter().copied().collect();
    pids.extend(begins.keys().filter(|pid| !known.contains(pid)));
    pids.sort_by_key(|pid| (begins.get(pid).copied().unwrap_or(u64::MAX), *pid));
    pids
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
