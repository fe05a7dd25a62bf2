//! Processes that are held, so that what is inspected is what is monitored.

use std::sync::Arc;

use crate::error::Result;
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
            return Err(held.ended_meanwhile());
        }
        processes.push(Arc::new(held));
        targets.push(target);
    }
    Ok((processes, targets))
}

pub fn living_threads(processes: &[Arc<Process>]) -> Result<u32> {
    let mut living = 0u32;
    for process in processes {
        let tids = process.while_there(process::tids)?.unwrap_or_default();
        living = living.saturating_add(tids.len() as u32);
    }
    Ok(living)
}
