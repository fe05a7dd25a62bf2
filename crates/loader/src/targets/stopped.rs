//! Threads that somebody has halted as a window opens, by a stop or a freezer: their first event, a wakeup, does not tell that from a sleep.

use std::collections::HashMap;
use std::fs;

use crate::error::{Error, Result};
use crate::kernel::clock::monotonic_ns;
use crate::targets::identity::Process;
use crate::targets::proc_stat::Stat;
use crate::targets::process::thread_folder;
use crate::targets::{proc_stat, process};

/// What keeps a thread from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A signal, or a tracer.
    Stop,
    /// Its control group's freezer.
    Freezer,
}

/// Those that were halted at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoppedThreads {
    /// When all of them had been looked at.
    at_ns: u64,
    /// By tid.
    halts: HashMap<u32, Halt>,
}

/// What is known of those that were halted when a window began.
#[derive(Clone, Debug, Default)]
pub struct StoppedAtStart {
    /// Before it began: when it was opened or armed.
    pub before: StoppedThreads,
    /// After a trigger had opened it; `None`: nobody has looked.
    pub after: Option<StoppedThreads>,
}

impl StoppedAtStart {
    /// Those that were halted, among the threads whose first event in the window came then. A look that came after a thread's
    /// first event tells nothing of the time before it.
    pub fn at_first_event(&self, first_event_ns: u64) -> &HashMap<u32, Halt> {
        match &self.after {
            Some(after) if after.at_ns <= first_event_ns => &after.halts,
            _ => &self.before.halts,
        }
    }
}

impl StoppedThreads {
    /// By now.
    pub fn of<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Result<Self> {
        let mut halts = HashMap::new();
        for process in processes {
            let of_process = process.while_there(halted_threads)?;
            halts.extend(of_process.unwrap_or_default());
        }
        Ok(Self {
            at_ns: monotonic_ns(),
            halts,
        })
    }
}

/// Only looked for where the leader is halted, or has ended before the others: that is done to whole processes. A leader that is frozen where
/// it sleeps, by control groups of the first kind, is in state D and has no other mark.
fn halted_threads(pid: u32) -> Result<HashMap<u32, Halt>> {
    let stat = |path: &str| proc_stat::stat(path).map_err(|error| Error::io(path, &error));
    let mut halts = HashMap::new();
    let leader = thread_folder(pid, pid);
    let may_be_halted = stat(&leader)?
        .is_some_and(|stat| stat.is_dead() || stat.state == 'D' || halt(&leader, &stat).is_some());
    if may_be_halted {
        for tid in process::tids(pid)? {
            let folder = thread_folder(pid, tid);
            let halt = stat(&folder)?.and_then(|stat| halt(&folder, &stat));
            halts.extend(halt.map(|halt| (tid, halt)));
        }
    }
    Ok(halts)
}

/// What halts the thread whose folder in /proc that is.
pub fn halt(folder: &str, stat: &Stat) -> Option<Halt> {
    /// Where frozen threads are: control groups' of the second kind, as the compiler had it, and those of all others.
    const FREEZERS: [&str; 3] = ["do_freezer_trap", "get_signal", "__refrigerator"];
    if stat.is_stopped() {
        return Some(Halt::Stop);
    }
    let may_be_frozen = matches!(stat.state, 'S' | 'D');
    // Without the right to look at it, the file says 0.
    let is_there = |place: String| FREEZERS.contains(&place.trim_end());
    (may_be_frozen && fs::read_to_string(format!("{folder}/wchan")).is_ok_and(is_there))
        .then_some(Halt::Freezer)
}

#[cfg(test)]
mod tests {
    use super::{Halt, StoppedAtStart, StoppedThreads};

    fn stopped(at_ns: u64, tid: u32) -> StoppedThreads {
        StoppedThreads {
            at_ns,
            halts: [(tid, Halt::Stop)].into(),
        }
    }

    #[test]
    fn a_look_tells_of_a_thread_only_until_its_first_event() {
        let looks = StoppedAtStart {
            before: stopped(10, 1),
            after: Some(stopped(30, 2)),
        };
        let known = |first_event_ns| looks.at_first_event(first_event_ns).keys().copied().next();
        assert_eq!(known(30), Some(2), "nothing had happened to it by then");
        assert_eq!(
            known(29),
            Some(1),
            "it had been woken before anybody looked"
        );
        let unseen = StoppedAtStart {
            after: None,
            ..looks
        };
        assert_eq!(unseen.at_first_event(30).len(), 1);
    }
}
