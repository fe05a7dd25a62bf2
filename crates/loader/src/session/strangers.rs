//! What is not a target's, although its pid is.

use std::collections::{HashMap, HashSet};

use crate::calls::recorded::Recorded;
use crate::session::shared::Shared;
use crate::targets::identity::{Identity, last_starts};
use crate::threads::seen::{FirstEvent, Seen};

/// Leaves out what another process did that has got a target's pid. Where children are followed, a pid may come back to the
/// set with another child of a target; whose it is then the probes know.
pub fn drop_strangers(
    shared: &Shared,
    seen: &mut Seen,
    firsts: &mut HashMap<(u32, u32), FirstEvent>,
    recorded: &mut Recorded,
) {
    if shared.living.follows() {
        return;
    }
    let named = shared.living.named().iter();
    let threads = seen.threads.iter().map(|seen| &seen.first);
    let leaders = threads
        .chain(firsts.values())
        .filter(|first| first.pid == first.tid)
        .map(|first| (first.pid, first.start_time_ns));
    let last = last_starts(named.filter_map(|process| process.ended()), leaders);
    let is_its = |pid: u32, ns: u64| last.get(&pid).is_none_or(|&last_ns| ns <= last_ns);
    seen.threads
        .retain(|seen| is_its(seen.first.pid, seen.first.start_time_ns));
    seen.off_cpu
        .retain(|time| is_its(time.pid, time.start_time_ns));
    firsts.retain(|_, first| is_its(first.pid, first.start_time_ns));
    let calls = &mut recorded.calls;
    calls.retain(|recorded| is_its(recorded.call.tgid, recorded.entry_ns()));
}

/// Of a process that /proc does not show any more it is not asked what its threads were doing.
pub fn forget_gone(seen: &mut Seen, there: &[Identity]) {
    let there: HashSet<u32> = there.iter().map(|identity| identity.pid).collect();
    for seen in &mut seen.threads {
        let is_there = there.contains(&seen.thread.pid);
        seen.needs_cpu_mode &= is_there;
        seen.needs_syscall &= is_there;
    }
}
