//! Threads that are stopped as a window opens: their first event, a wakeup, does not tell a stop from a sleep.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::targets::proc_stat::Stat;
use crate::targets::process::thread_folder;
use crate::targets::{proc_stat, process};

/// Only looked for where the leader is stopped, or has ended before the others: a stop is a whole process's.
pub fn stopped_threads(pids: &[u32]) -> Result<HashSet<u32>> {
    let mut stopped = HashSet::new();
    for &pid in pids {
        let is = |path: &str, state: fn(&Stat) -> bool| -> Result<bool> {
            let stat = proc_stat::stat(path).map_err(|error| Error::io(path, &error))?;
            Ok(stat.is_some_and(|stat| state(&stat)))
        };
        let may_be_stopped = |leader: &Stat| leader.is_stopped() || leader.is_dead();
        if is(&format!("/proc/{pid}"), may_be_stopped)? {
            for tid in process::tids(pid)? {
                if is(&thread_folder(pid, tid), Stat::is_stopped)? {
                    stopped.insert(tid);
                }
            }
        }
    }
    Ok(stopped)
}
