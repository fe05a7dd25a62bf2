//! Threads for which the window holds no event, or no event that tells user code from a system call: what /proc says
//! of them right after the window. One that does something else meanwhile has an event then, which tells more.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use bpf_probes::abi::syscall::SyscallKey;

use crate::clock::monotonic_ns;
use crate::describe::{self, SeenThread, in_flight};
use crate::error::Result;
use crate::proc_stat::Stat;
use crate::sample::Thread;
use crate::{proc_stat, process};

/// A running thread's times move at each timer tick: this covers two at 100 Hz. Only threads that are runnable and had
/// no event make a sample wait for it.
const TICK_PATIENCE: Duration = Duration::from_millis(25);
const TICK_POLL: Duration = Duration::from_millis(2);

/// User and system time of a thread, in ticks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CpuTicks {
    user: u64,
    system: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    User,
    Kernel,
    /// Runnable, and its times stand still.
    Waiting,
    /// It has changed what it does since the window, or both times moved.
    Unknown,
}

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
                Some(thread) if thread.budget.unknown_ns > 0 => open.push(thread),
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
            name_blocking_call(&mut seen.thread, stop_ns.saturating_sub(seen.begin_ns));
        }
        if seen.needs_cpu_mode {
            open.push(seen.thread);
        } else {
            threads.push(seen.thread);
        }
    }
    threads.extend(settle_all(open));
    threads
}

/// Threads on a CPU, or ready, all along: in user code or in the kernel, by which of their times moves.
fn settle_all(mut threads: Vec<Thread>) -> Vec<Thread> {
    let before: HashMap<(u32, u32), CpuTicks> = threads
        .iter()
        .filter_map(|thread| Some(((thread.pid, thread.tid), cpu_ticks(thread)?)))
        .collect();
    let modes = watch(before, &threads);
    for thread in &mut threads {
        if let Some(&mode) = modes.get(&(thread.pid, thread.tid)) {
            settle(thread, mode);
        }
    }
    threads
}

fn path(pid: u32, tid: u32) -> String {
    format!("/proc/{pid}/task/{tid}")
}

/// A thread that the window did not see: it was in one state all along, the one that it is in now. `None`: it has
/// ended, or began after the window.
fn without_events(pid: u32, tid: u32, start_ns: u64, stop_ns: u64) -> Option<Thread> {
    let stat = proc_stat::stat(&path(pid, tid)).ok().flatten()?;
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
            name_blocking_call(&mut thread, wall_ns);
        }
        _ => {
            thread.budget.blocked_ns = wall_ns as i64;
            name_blocking_call(&mut thread, wall_ns);
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
fn name_blocking_call(thread: &mut Thread, duration_ns: u64) {
    let Ok(text) = std::fs::read_to_string(path(thread.pid, thread.tid) + "/syscall") else {
        return;
    };
    if let Some(number) = call_of(&text) {
        let key = SyscallKey::new(number, process::uses_32_bit_calls(thread.pid));
        thread.syscalls.push(in_flight(key, duration_ns));
        thread.budget.kernel_ns += thread.budget.unknown_ns;
        thread.budget.unknown_ns = 0;
    }
}

/// `/proc/…/syscall`: "running", or a number, which is -1 outside of calls, and registers.
fn call_of(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn cpu_ticks(thread: &Thread) -> Option<CpuTicks> {
    let bytes = std::fs::read(path(thread.pid, thread.tid) + "/stat").ok()?;
    let rest = std::str::from_utf8(bytes.get(bytes.iter().rposition(|&byte| byte == b')')? + 1..)?)
        .ok()?;
    let mut fields = rest.split_ascii_whitespace();
    if fields.next()? != "R" {
        return None;
    }
    // proc(5): utime is field 14, stime field 15; the state was field 3.
    let user = fields.nth(10)?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    Some(CpuTicks { user, system })
}

/// Watches whose times move, until all have or patience ends.
fn watch(before: HashMap<(u32, u32), CpuTicks>, threads: &[Thread]) -> HashMap<(u32, u32), Mode> {
    let mut modes = HashMap::new();
    let begun = Instant::now();
    while modes.len() < before.len() {
        let last = begun.elapsed() >= TICK_PATIENCE;
        for thread in threads {
            let key = (thread.pid, thread.tid);
            let Some(&earlier) = before.get(&key).filter(|_| !modes.contains_key(&key)) else {
                continue;
            };
            match cpu_ticks(thread) {
                None => modes.insert(key, Mode::Unknown),
                Some(now) => match (now.user > earlier.user, now.system > earlier.system) {
                    (true, false) => modes.insert(key, Mode::User),
                    (false, true) => modes.insert(key, Mode::Kernel),
                    (true, true) => modes.insert(key, Mode::Unknown),
                    (false, false) if last => modes.insert(key, Mode::Waiting),
                    (false, false) => None,
                },
            };
        }
        if last {
            break;
        }
        std::thread::sleep(TICK_POLL);
    }
    modes
}

fn settle(thread: &mut Thread, mode: Mode) {
    let had_events = thread.run.clipped_ns > 0 || thread.run.count > 0;
    let open_ns = thread.budget.unknown_ns;
    match mode {
        Mode::User => {
            thread.budget.user_ns += open_ns;
            thread.budget.unknown_ns = 0;
        }
        Mode::Kernel => {
            thread.budget.kernel_ns += open_ns;
            thread.budget.unknown_ns = 0;
        }
        Mode::Waiting | Mode::Unknown => {}
    }
    if !had_events {
        match mode {
            Mode::User | Mode::Kernel => thread.run.clipped_ns = open_ns,
            // Since before the window, so woken or preempted cannot be told: it stays unknown in the budget.
            Mode::Waiting => thread.ready.clipped_ns = open_ns,
            Mode::Unknown => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Stat, Thread, began_after, call_of, settle};
    use crate::sample::Budget;

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

    /// A thread whose window of 100 ns is an open question.
    fn open_question(clipped_run_ns: i64) -> Thread {
        let mut thread = Thread {
            budget: Budget {
                wall_ns: 100,
                unknown_ns: 100,
                ..Budget::default()
            },
            ..Thread::default()
        };
        thread.run.clipped_ns = clipped_run_ns;
        thread
    }

    #[test]
    fn a_thread_without_events_ran_or_waited_all_along() {
        for (mode, user_ns, kernel_ns, run_ns, ready_ns, unknown_ns) in [
            (Mode::User, 100, 0, 100, 0, 0),
            (Mode::Kernel, 0, 100, 100, 0, 0),
            (Mode::Waiting, 0, 0, 0, 100, 100),
            (Mode::Unknown, 0, 0, 0, 0, 100),
        ] {
            let mut thread = open_question(0);
            settle(&mut thread, mode);
            let Budget {
                user_ns: user,
                kernel_ns: kernel,
                unknown_ns: unknown,
                ..
            } = thread.budget;
            assert_eq!(
                (
                    user,
                    kernel,
                    thread.run.clipped_ns,
                    thread.ready.clipped_ns,
                    unknown
                ),
                (user_ns, kernel_ns, run_ns, ready_ns, unknown_ns)
            );
        }
    }

    #[test]
    fn what_the_events_told_is_left_as_it_is() {
        for mode in [Mode::User, Mode::Kernel, Mode::Waiting, Mode::Unknown] {
            let mut thread = open_question(60);
            settle(&mut thread, mode);
            assert_eq!((thread.run.clipped_ns, thread.ready.clipped_ns), (60, 0));
        }
    }

    #[test]
    fn a_thread_is_younger_than_the_window_only_if_it_surely_is() {
        let now_ns = crate::clock::monotonic_ns();
        let own = crate::proc_stat::stat("/proc/self").unwrap().unwrap();
        assert!(!began_after(&own, now_ns));
        let unborn = Stat {
            start_ticks: own.start_ticks + 1_000_000,
            ..own
        };
        assert!(began_after(&unborn, now_ns));
    }
}
