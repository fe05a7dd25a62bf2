//! Threads without an event in their window.

use abi::syscall::SyscallKey;
use abi::thread::record::Activity;

use crate::sample::{Budget, Thread};
use crate::threads::seen::FirstEvent;
use crate::threads::syscalls::{in_flight, settle_calls};

/// A thread that did one thing all through a window: it had no event then, and its next one showed what that was.
pub fn all_along(first: &FirstEvent, wall_ns: u64) -> Thread {
    let wall_ns = wall_ns as i64;
    let mut thread = without_events(first.pid, first.tid, first.comm.clone(), wall_ns);
    thread.kernel_only = first.is_kernel_only;
    let budget = &mut thread.budget;
    budget.unknown_ns = 0;
    let is_in_user_code = first.activity == Activity::User;
    budget.kernel_outside_calls_ns = (!is_in_user_code).then_some(0);
    match first.activity {
        Activity::User => budget.user_ns = wall_ns,
        Activity::Kernel => budget.kernel_ns = wall_ns,
        Activity::KernelOnly => budget.kernel_outside_calls_ns = Some(wall_ns),
        Activity::Blocked => budget.blocked_ns = wall_ns,
        Activity::Stopped => budget.stopped_ns = wall_ns,
        Activity::ReadyUnknown => budget.ready_preempted_ns = wall_ns,
        _ => {
            budget.kernel_outside_calls_ns = None;
            budget.unknown_ns = wall_ns;
        }
    }
    match first.activity {
        Activity::User | Activity::Kernel | Activity::KernelOnly | Activity::OnCpu => {
            thread.run.clipped_ns = wall_ns;
        }
        Activity::ReadyUnknown => thread.ready.clipped_ns = wall_ns,
        Activity::Stopped => thread.stopped.clipped_ns = wall_ns,
        _ => {}
    }
    if first.syscall != SyscallKey::NONE && first.activity != Activity::User {
        let mut call = in_flight(first.syscall, wall_ns as u64);
        match first.activity {
            Activity::Blocked => call.blocked_ns = wall_ns,
            Activity::Stopped => call.stopped_ns = wall_ns,
            Activity::ReadyUnknown => call.ready_ns = wall_ns,
            _ => {}
        }
        thread.syscalls.push(call);
    }
    settle_calls(&mut thread);
    thread
}

/// A thread of which nothing is known but its name.
pub fn without_events(pid: u32, tid: u32, comm: String, wall_ns: i64) -> Thread {
    let mut thread = Thread {
        pid,
        tid,
        comm,
        budget: Budget {
            wall_ns,
            unknown_ns: wall_ns,
            ..Budget::default()
        },
        ..Thread::default()
    };
    thread.run.histogram = Some(Vec::new());
    thread.ready.histogram = Some(Vec::new());
    thread.long_poll.histogram = Some(Vec::new());
    thread
}

#[cfg(test)]
#[path = "all_along_tests.rs"]
mod tests;
