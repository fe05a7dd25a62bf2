//! Processes that are held, so that what is inspected is what is monitored.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::sample::Target;
use crate::targets::identity::Process;
use crate::targets::process;

pub fn hold(pids: &[u32]) -> Result<(Vec<Arc<Process>>, Vec<Target>)> {
    let mut processes = Vec::new();
    let mut targets = Vec::new();
    for &pid in pids {
        let held = Process::open(pid);
        // Its error says more.
        let target = process::inspect(pid)?;
        let held = held?;
        // What was inspected is what is held if that had its pid all the time.
        if !held.is_there() {
            let message = format!("the process {pid} has ended meanwhile");
            return Err(Error::new(ErrorKind::ProcessEnded, message));
        }
        processes.push(Arc::new(held));
        targets.push(target);
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
