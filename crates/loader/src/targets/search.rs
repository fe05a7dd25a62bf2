//! Processes by name, and the busiest ones.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sample::Target;
use crate::targets::proc_stat::{Stat, stat};
use crate::targets::process::{has_ended, numeric_entries, target};

/// Pids of every process.
fn all_pids() -> Result<Vec<u32>> {
    numeric_entries("/proc").map_err(|error| Error::io("/proc", &error))
}

/// Living user processes but this one, with their pids.
fn candidates() -> Result<Vec<(u32, Stat)>> {
    let own = std::process::id();
    let mut found = Vec::new();
    for pid in all_pids()? {
        if pid != own
            && let Ok(Some(stat)) = stat(&format!("/proc/{pid}"))
            && !stat.is_kernel_thread()
            && matches!(has_ended(pid, &stat), Ok(false))
        {
            found.push((pid, stat));
        }
    }
    Ok(found)
}

/// Processes whose name, or whose executable's or first argument's base name, equals `name`. The kernel cuts names at
/// 15 bytes, hence the other two.
pub fn find(name: &str) -> Result<Vec<Target>> {
    let base = |path: &str| path.rsplit('/').next() == Some(name);
    let mut found: Vec<Target> = candidates()?
        .into_iter()
        .map(|(pid, stat)| target(pid, stat.comm))
        .filter(|process| {
            process.comm == name
                || process
                    .exe
                    .as_deref()
                    .is_some_and(|exe| base(exe.strip_suffix(" (deleted)").unwrap_or(exe)))
                || process
                    .cmdline
                    .as_ref()
                    .and_then(|cmdline| cmdline.first())
                    .is_some_and(|first| base(first))
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

#[derive(Clone, Debug, PartialEq)]
pub struct BusyProcess {
    pub pid: u32,
    pub comm: String,
    /// Of one CPU.
    pub cpu_percent: f64,
}

/// The user processes that used the most CPU time during `interval`, busiest first.
pub fn busiest(interval: Duration, limit: usize) -> Result<Vec<BusyProcess>> {
    let before: HashMap<u32, u64> = candidates()?
        .into_iter()
        .map(|(pid, stat)| (pid, stat.cpu_ticks))
        .collect();
    sleep(interval);
    // SAFETY: sysconf has no preconditions.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let mut busy: Vec<BusyProcess> = candidates()?
        .into_iter()
        .filter_map(|(pid, stat)| {
            let ticks = stat.cpu_ticks.saturating_sub(*before.get(&pid)?);
            let cpu_percent = ticks as f64 / ticks_per_second / interval.as_secs_f64() * 100.0;
            (ticks > 0).then_some(BusyProcess {
                pid,
                comm: stat.comm,
                cpu_percent,
            })
        })
        .collect();
    busy.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent));
    busy.truncate(limit);
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::targets::process::inspect;

    #[test]
    fn a_process_is_found_by_name_but_never_this_one() {
        let own = inspect(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let found = find("sleep").unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.iter().any(|process| process.pid == child.id()));
        let found = find(&own.comm).unwrap();
        assert!(!found.iter().any(|process| process.pid == own.pid));
    }
}
