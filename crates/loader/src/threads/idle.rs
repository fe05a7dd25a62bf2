//! Threads for which the window holds no event, or no event that tells user code from a system call: what /proc says
//! of them right after the window. One that does something else meanwhile has an event then, which tells more.

use std::collections::HashSet;

use abi::durations::OffCpuTime;
use abi::syscall::SyscallKey;

use crate::error::Result;
use crate::kernel::clock::monotonic_ns;
use crate::sample::Thread;
use crate::targets::proc_stat::Stat;
use crate::targets::process::thread_folder;
use crate::targets::{proc_stat, process};
use crate::threads::cpu_mode::{OpenThread, settle_all};
use crate::threads::describe::{self, in_flight_off_cpu};
use crate::threads::seen::SeenThread;

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
    for &pid in pids {
        for tid in process::tids(pid)? {
            if recorded.contains(&(pid, tid)) {
                continue;
            }
            match without_events(pid, tid, start_ns, stop_ns) {
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
    for mut seen in seen {
        if seen.needs_syscall {
            let duration_ns = stop_ns.saturating_sub(seen.begin_ns);
            name_blocking_call(
                &mut seen.thread,
                duration_ns,
                seen.unattributed,
                seen.open_ns,
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
fn without_events(pid: u32, tid: u32, start_ns: u64, stop_ns: u64) -> Option<Thread> {
    let stat = proc_stat::stat(&thread_folder(pid, tid)).ok().flatten()?;
    if stat.is_dead() || began_after(&stat, stop_ns) {
        return None;
    }
    let wall_ns = stop_ns.saturating_sub(start_ns);
    let mut thread = describe::without_events(pid, tid, stat.comm.clone(), wall_ns as i64);
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
            name_blocking_call(&mut thread, wall_ns, off_cpu, 0);
        }
        _ => {
            thread.budget.blocked_ns = wall_ns as i64;
            let off_cpu = OffCpuTime {
                blocked_ns: wall_ns,
                ..OffCpuTime::default()
            };
            name_blocking_call(&mut thread, wall_ns, off_cpu, 0);
        }
    }
    Some(thread)
}

/// Start times are in ticks since boot, rounded down: a thread is only taken for younger than the window if it surely is.
fn began_after(stat: &Stat, stop_ns: u64) -> bool {
    // SAFETY: sysconf has no preconditions.
    let tick_ns = 1_000_000_000 / (unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64);
    let suspended_ns = boottime_ns().saturating_sub(monotonic_ns());
    stat.start_ticks
        .saturating_mul(tick_ns)
        .saturating_sub(suspended_ns)
        > stop_ns
}

fn boottime_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec, and the clock exists since 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Puts the call that a blocked thread is in on its account. None: it blocks without one, in a page fault for example.
/// `open_ns` of its unknown time was on a CPU, which is then that call's.
fn name_blocking_call(thread: &mut Thread, duration_ns: u64, off_cpu: OffCpuTime, open_ns: i64) {
    let Ok(text) = std::fs::read_to_string(thread_folder(thread.pid, thread.tid) + "/syscall")
    else {
        return;
    };
    if let Some(number) = call_of(&text) {
        let key = SyscallKey::new(number, process::uses_32_bit_calls(thread.pid));
        thread
            .syscalls
            .push(in_flight_off_cpu(key, duration_ns, off_cpu));
        describe::settle_faults(thread);
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
    use super::{Stat, began_after, call_of};

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

    #[test]
    fn a_thread_is_younger_than_the_window_only_if_it_surely_is() {
        let now_ns = crate::kernel::clock::monotonic_ns();
        let own = crate::targets::proc_stat::stat("/proc/self")
            .unwrap()
            .unwrap();
        assert!(!began_after(&own, now_ns));
        let unborn = Stat {
            start_ticks: own.start_ticks + 1_000_000,
            ..own
        };
        assert!(began_after(&unborn, now_ns));
    }
}
