//! Threads that are stopped as a window opens: their first event, a wakeup, does not tell a stop from a sleep.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::targets::process::thread_folder;
use crate::targets::{proc_stat, process};

/// Only looked for where the leader is stopped: a stop is a whole process's.
pub fn stopped_threads(pids: &[u32]) -> Result<HashSet<u32>> {
    let mut stopped = HashSet::new();
    for &pid in pids {
        let is_stopped = |path: &str| -> Result<bool> {
            let stat = proc_stat::stat(path).map_err(|error| Error::io(path, &error))?;
            Ok(stat.is_some_and(|stat| stat.is_stopped()))
        };
        if is_stopped(&format!("/proc/{pid}"))? {
            for tid in process::tids(pid)? {
                if is_stopped(&thread_folder(pid, tid))? {
                    stopped.insert(tid);
                }
            }
        }
    }
    Ok(stopped)
}
