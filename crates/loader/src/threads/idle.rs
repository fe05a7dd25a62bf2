//! Threads for which the window holds no event, or no event that tells user code from a system call: what /proc says
//! of them right after the window. One that does something else meanwhile has an event then, which tells more.

use std::collections::HashSet;

use abi::durations::OffCpuTime;
use abi::syscall::SyscallKey;

use crate::error::Result;
use crate::sample::Thread;
use crate::targets::identity::{Identity, still_there};
use crate::targets::process::thread_folder;
use crate::targets::stopped::{self, Halt};
use crate::targets::{proc_stat, process};
use crate::threads::all_along;
use crate::threads::convention::Conventions;
use crate::threads::cpu_mode::{OpenThread, settle_all};
use crate::threads::seen::SeenThread;
use crate::threads::start_time::StartTime;
use crate::threads::syscalls::{in_flight_off_cpu, settle_calls};

/// The threads of these processes that have had no event yet, as /proc shows them now. Right for those that have none until
/// the window is sealed either: then they did the same all along; and of processes that are there still by then.
pub fn look(
    recorded: &HashSet<(u32, u32)>,
    there: &[Identity],
    start_ns: u64,
    stop_ns: u64,
) -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    let mut open = Vec::new();
    let mut conventions = Conventions::new();
    let clock = StartTime::now();
    for &Identity { pid, .. } in there {
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
    threads.extend(settle_all(open, there));
    Ok(threads)
}

/// Settles what the records of these threads left open, by what /proc shows of their processes, as long as these are there.
pub fn settle_seen(seen: Vec<SeenThread>, there: &[Identity], stop_ns: u64) -> Vec<Thread> {
    let mut threads = Vec::with_capacity(seen.len());
    let mut open = Vec::new();
    let calls = blocking_calls(&seen, there);
    for (mut seen, call) in seen.into_iter().zip(calls) {
        if let Some(call) = call {
            let duration_ns = stop_ns.saturating_sub(seen.begin_ns);
            let thread = &mut seen.thread;
            add_blocking_call(thread, call, duration_ns, seen.unattributed, seen.open_ns);
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
    threads.extend(settle_all(open, there));
    threads
}

/// Of each of these threads: the call that it is in, if it needs to be known and its process is there still.
fn blocking_calls(seen: &[SeenThread], there: &[Identity]) -> Vec<Option<SyscallKey>> {
    let mut conventions = Conventions::new();
    let call = |seen: &SeenThread| {
        let Thread { pid, tid, .. } = seen.thread;
        let call = seen
            .needs_syscall
            .then(|| blocking_call((pid, tid), &mut conventions));
        (pid, call.flatten())
    };
    let calls: Vec<(u32, Option<SyscallKey>)> = seen.iter().map(call).collect();
    let found = calls.iter().filter(|(_, call)| call.is_some());
    let still = still_there(there, found.map(|&(pid, _)| pid));
    let of_those = |(pid, call): (u32, Option<SyscallKey>)| call.filter(|_| still.contains(&pid));
    calls.into_iter().map(of_those).collect()
}

/// A thread that the window did not see: it was in one state all along, the one that it is in now. `None`: it has
/// ended, or began after the window.
fn without_events(
    (pid, tid): (u32, u32),
    (start_ns, stop_ns): (u64, u64),
    clock: StartTime,
    conventions: &mut Conventions,
) -> Option<Thread> {
    let folder = thread_folder(pid, tid);
    let stat = proc_stat::stat(&folder).ok().flatten()?;
    if stat.is_dead() || clock.began_after(&stat, stop_ns) {
        return None;
    }
    let wall_ns = stop_ns.saturating_sub(start_ns);
    let mut thread = all_along::without_events(pid, tid, stat.comm.clone(), wall_ns as i64);
    thread.kernel_only = stat.is_kernel_only();
    if stat.state == 'R' {
        return Some(thread);
    }
    let budget = &mut thread.budget;
    budget.unknown_ns = 0;
    budget.kernel_outside_calls_ns = Some(0);
    let mut off_cpu = OffCpuTime::default();
    let halt = stopped::halt(&folder, &stat);
    match halt {
        Some(Halt::Stop) => {
            budget.stopped_ns = wall_ns as i64;
            thread.stopped.clipped_ns = wall_ns as i64;
            off_cpu.stopped_ns = wall_ns;
        }
        Some(Halt::Freezer) => budget.frozen_ns = wall_ns as i64,
        None => {
            budget.blocked_ns = wall_ns as i64;
            off_cpu.blocked_ns = wall_ns;
        }
    }
    // Of one that never leaves the kernel it is the call of the thread that made it, and of a frozen one the one that it has left.
    let is_in_call = !thread.kernel_only && halt != Some(Halt::Freezer);
    let call = is_in_call.then(|| blocking_call((pid, tid), conventions));
    match call.flatten() {
        Some(call) => add_blocking_call(&mut thread, call, wall_ns, off_cpu, 0),
        None => settle_calls(&mut thread),
    }
    Some(thread)
}

/// `None`: it blocks without one, in a page fault for example.
fn blocking_call((pid, tid): (u32, u32), conventions: &mut Conventions) -> Option<SyscallKey> {
    let text = std::fs::read_to_string(thread_folder(pid, tid) + "/syscall").ok()?;
    call_of(&text).map(|number| conventions.call(pid, number))
}

/// `open_ns` of the thread's unknown time was on a CPU, which is then that call's.
fn add_blocking_call(
    thread: &mut Thread,
    call: SyscallKey,
    duration_ns: u64,
    off_cpu: OffCpuTime,
    open_ns: i64,
) {
    let off_cpu = off_cpu.at_most(duration_ns);
    thread
        .syscalls
        .push(in_flight_off_cpu(call, duration_ns, off_cpu));
    settle_calls(thread);
    thread.budget.kernel_ns += open_ns;
    thread.budget.unknown_ns -= open_ns;
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
