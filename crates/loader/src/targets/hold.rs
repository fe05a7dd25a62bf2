//! Processes that are held, so that what is inspected is what is monitored.

use crate::error::{Error, Result};
use crate::sample::Target;
use crate::targets::pidfd::PidFd;
use crate::targets::process;

pub fn hold(pids: &[u32]) -> Result<(Vec<PidFd>, Vec<Target>)> {
    let mut processes = Vec::new();
    let mut targets = Vec::new();
    for &pid in pids {
        // Held first and inspected then: what is inspected is what is held.
        let held = PidFd::open(pid);
        let process = process::inspect(pid)?;
        processes
            .push(held.map_err(|error| Error::io(format!("holding the process {pid}"), &error))?);
        targets.push(process);
    }
    Ok((processes, targets))
}

pub fn living_threads(pids: &[u32]) -> Result<u32> {
    let mut living = 0u32;
    for &pid in pids {
        living = living.saturating_add(process::tids(pid)?.len() as u32);
    }
    Ok(living)
}
