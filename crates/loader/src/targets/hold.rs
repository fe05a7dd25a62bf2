//! Processes that are held, so that what is inspected is what is monitored.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::options::IfEnded;
use crate::sample::Target;
use crate::targets::identity::Process;
use crate::targets::process;

pub fn hold(pids: &[u32], if_ended: IfEnded) -> Result<(Vec<Arc<Process>>, Vec<Target>)> {
    let mut processes = Vec::new();
    let mut targets = Vec::new();
    let mut first_error = None;
    for &pid in pids {
        match hold_one(pid) {
            Ok((process, target)) => {
                processes.push(Arc::new(process));
                targets.push(target);
            }
            Err(error) if if_ended == IfEnded::LeaveOut && has_ended(&error) => {
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match first_error {
        Some(error) if processes.is_empty() => Err(error),
        _ => Ok((processes, targets)),
    }
}

fn hold_one(pid: u32) -> Result<(Process, Target)> {
    let held = Process::open(pid);
    // Its error says more.
    let target = process::inspect(pid)?;
    let held = held?;
    // What was inspected is what is held if that had its pid all the time.
    if !held.is_there() {
        return Err(held.ended_meanwhile());
    }
    Ok((held, target))
}

fn has_ended(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::ProcessEnded | ErrorKind::NoSuchProcess
    )
}

pub fn living_threads(processes: &[Arc<Process>]) -> Result<u32> {
    let mut living = 0u32;
    for process in processes {
        let tids = process.while_there(process::tids)?.unwrap_or_default();
        living = living.saturating_add(tids.len() as u32);
    }
    Ok(living)
}
