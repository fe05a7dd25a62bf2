//! Threads for which the window holds no event, or no event that tells user code from a system call: what /proc says
//! of them right after the window. One that does something else meanwhile has an event then, which tells more.

use std::collections::HashSet;

use abi::durations::OffCpuTime;

use crate::error::Result;
use crate::sample::Thread;
use crate::targets::process::thread_folder;
use crate::targets::{proc_stat, process};
use crate::threads::all_along;
use crate::threads::convention::Conventions;
use crate::threads::cpu_mode::{OpenThread, settle_all};
use crate::threads::seen::SeenThread;
use crate::threads::start_time::StartTime;
use crate::threads::syscalls::{in_flight_off_cpu, settle_calls};

/// The threads of these processes that have had no event yet, as /proc shows them now. Right for those that have none until
/// the window is sealed either: then they did the same all along.
pub fn look(
    recorded: &HashSet<(u32, u32)>,
    pids: &[u32],
    start_ns: u64,
    stop_ns: u64,
) -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    let mut open = Vec::new();
    let mut conventions = Conventions::new();
    let clock = StartTime::now();
    for &pid in pids {
        for tid in process::tids(pid)? {
            if recorded.contains(&(pid, tid)) {
                continue;
            }
            match without_events((pid, tid), (start_ns, stop_ns), clock, &mut conventions) {
                Some(thread) if thread.budget.unknown_ns > 0 => open.push(OpenThread {
                    open_ns: thread.budget.unknown_ns,
                    thread,
                }),
                Some(thread) => threads.push(thread),
                None => {}
            }
        }
    }
    threads.extend(settle_all(open));
    Ok(threads)
}

/// Settles what the records of these threads left open.
pub fn settle_seen(seen: Vec<SeenThread>, stop_ns: u64) -> Vec<Thread> {
    let mut threads = Vec::with_capacity(seen.len());
    let mut open = Vec::new();
    let mut conventions = Conventions::new();
    for mut seen in seen {
        if seen.needs_syscall {
            let duration_ns = stop_ns.saturating_sub(seen.begin_ns);
            name_blocking_call(
                &mut seen.thread,
                duration_ns,
                seen.unattributed,
                seen.open_ns,
                &mut conventions,
            );
        }
        if seen.needs_cpu_mode {
            open.push(OpenThread {
                thread: seen.thread,
                open_ns: seen.open_ns,
            });
        } else {
            threads.push(seen.thread);
        }
    }
    threads.extend(settle_all(open));
    threads
}

/// A thread that the window did not see: it was in one state all along, the one that it is in now. `None`: it has
/// ended, or began after the window.
fn without_events(
    (pid, tid): (u32, u32),
    (start_ns, stop_ns): (u64, u64),
    clock: StartTime,
    conventions: &mut Conventions,
) -> Option<Thread> {
    let stat = proc_stat::stat(&thread_folder(pid, tid)).ok().flatten()?;
    if stat.is_dead() || clock.began_after(&stat, stop_ns) {
        return None;
    }
    let wall_ns = stop_ns.saturating_sub(start_ns);
    let mut thread = all_along::without_events(pid, tid, stat.comm.clone(), wall_ns as i64);
    if stat.state == 'R' {
        return Some(thread);
    }
    thread.budget.unknown_ns = 0;
    match stat.state {
        _ if stat.is_stopped() => {
            thread.budget.stopped_ns = wall_ns as i64;
            thread.stopped.clipped_ns = wall_ns as i64;
            let off_cpu = OffCpuTime {
                stopped_ns: wall_ns,
                ..OffCpuTime::default()
            };
            name_blocking_call(&mut thread, wall_ns, off_cpu, 0, conventions);
        }
        _ => {
            thread.budget.blocked_ns = wall_ns as i64;
            let off_cpu = OffCpuTime {
                blocked_ns: wall_ns,
                ..OffCpuTime::default()
            };
            name_blocking_call(&mut thread, wall_ns, off_cpu, 0, conventions);
        }
    }
    Some(thread)
}

/// Puts the call that a blocked thread is in on its account. None: it blocks without one, in a page fault for example.
/// `open_ns` of its unknown time was on a CPU, which is then that call's.
fn name_blocking_call(
    thread: &mut Thread,
    duration_ns: u64,
    off_cpu: OffCpuTime,
    open_ns: i64,
    conventions: &mut Conventions,
) {
    let Ok(text) = std::fs::read_to_string(thread_folder(thread.pid, thread.tid) + "/syscall")
    else {
        return;
    };
    if let Some(number) = call_of(&text) {
        let key = conventions.call(thread.pid, number);
        let off_cpu = off_cpu.at_most(duration_ns);
        thread
            .syscalls
            .push(in_flight_off_cpu(key, duration_ns, off_cpu));
        settle_calls(thread);
        thread.budget.kernel_ns += open_ns;
        thread.budget.unknown_ns -= open_ns;
    }
}

/// `/proc/…/syscall`: "running", or a number, which is -1 outside of calls, and registers.
fn call_of(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::call_of;

    #[test]
    fn the_call_is_the_first_number_and_minus_one_is_none() {
        assert_eq!(
            call_of("202 0x7f 0x80 0x0 0x0 0x0 0x0 0x7ffd 0x7f\n"),
            Some(202)
        );
        for text in [
            "-1 0x7ffd 0x7f\n",
            "running\n",
            "",
            "\n",
            "99999999999999999999",
        ] {
            assert_eq!(call_of(text), None, "{text:?}");
        }
    }
}
