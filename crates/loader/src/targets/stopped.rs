//! Threads that are stopped as a window opens: their first event, a wakeup, does not tell a stop from a sleep.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::kernel::clock::monotonic_ns;
use crate::targets::identity::Process;
use crate::targets::proc_stat::Stat;
use crate::targets::process::thread_folder;
use crate::targets::{proc_stat, process};

/// Those that were stopped at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoppedThreads {
    /// When all of them had been looked at.
    at_ns: u64,
    tids: HashSet<u32>,
}

/// What is known of those that were stopped when a window began.
#[derive(Clone, Debug, Default)]
pub struct StoppedAtStart {
    /// Before it began: when it was opened or armed.
    pub before: StoppedThreads,
    /// After a trigger had opened it; `None`: nobody has looked.
    pub after: Option<StoppedThreads>,
}

impl StoppedAtStart {
    /// Those that were stopped, among the threads whose first event in the window came then. A look that came after a thread's
    /// first event tells nothing of the time before it.
    pub fn at_first_event(&self, first_event_ns: u64) -> &HashSet<u32> {
        match &self.after {
            Some(after) if after.at_ns <= first_event_ns => &after.tids,
            _ => &self.before.tids,
        }
    }
}

impl StoppedThreads {
    /// By now.
    pub fn of<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Result<Self> {
        let mut tids = HashSet::new();
        for process in processes {
            let of_process = process.while_there(stopped_threads)?;
            tids.extend(of_process.unwrap_or_default());
        }
        Ok(Self {
            at_ns: monotonic_ns(),
            tids,
        })
    }
}

/// Only looked for where the leader is stopped, or has ended before the others: a stop is a whole process's.
fn stopped_threads(pid: u32) -> Result<HashSet<u32>> {
    let is = |path: &str, state: fn(&Stat) -> bool| -> Result<bool> {
        let stat = proc_stat::stat(path).map_err(|error| Error::io(path, &error))?;
        Ok(stat.is_some_and(|stat| state(&stat)))
    };
    let may_be_stopped = |leader: &Stat| leader.is_stopped() || leader.is_dead();
    let mut stopped = HashSet::new();
    if is(&format!("/proc/{pid}"), may_be_stopped)? {
        for tid in process::tids(pid)? {
            if is(&thread_folder(pid, tid), Stat::is_stopped)? {
                stopped.insert(tid);
            }
        }
    }
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::{StoppedAtStart, StoppedThreads};

    fn stopped(at_ns: u64, tid: u32) -> StoppedThreads {
        StoppedThreads {
            at_ns,
            tids: [tid].into(),
        }
    }

    #[test]
    fn a_look_tells_of_a_thread_only_until_its_first_event() {
        let looks = StoppedAtStart {
            before: stopped(10, 1),
            after: Some(stopped(30, 2)),
        };
        let known = |first_event_ns| looks.at_first_event(first_event_ns).iter().copied().next();
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
