//! Threads that were runnable all along without an event that tells user code from a system call: which of their times moves
//! in /proc tells it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::sample::Thread;
use crate::targets::identity::{Identity, still_there};
use crate::targets::process::thread_folder;

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

/// A thread, and how much of its unknown time was on a CPU, or ready.
pub struct OpenThread {
    pub thread: Thread,
    pub open_ns: i64,
}

/// Threads on a CPU, or ready, all along: in user code or in the kernel, by which of their times moves. `there`: their processes,
/// as they were found before this; what another one shows by the pid of one that has ended meanwhile is left aside.
pub fn settle_all(mut open: Vec<OpenThread>, there: &[Identity]) -> Vec<Thread> {
    let before: HashMap<(u32, u32), CpuTicks> = open
        .iter()
        .filter_map(|OpenThread { thread, .. }| {
            Some(((thread.pid, thread.tid), cpu_ticks(thread)?))
        })
        .collect();
    let mut modes = watch(before, &open);
    let still = still_there(there, modes.keys().map(|&(pid, _)| pid));
    modes.retain(|(pid, _), _| still.contains(pid));
    for open in &mut open {
        if let Some(&mode) = modes.get(&(open.thread.pid, open.thread.tid)) {
            settle(open, mode);
        }
    }
    open.into_iter().map(|open| open.thread).collect()
}

fn cpu_ticks(thread: &Thread) -> Option<CpuTicks> {
    let bytes = std::fs::read(thread_folder(thread.pid, thread.tid) + "/stat").ok()?;
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
fn watch(before: HashMap<(u32, u32), CpuTicks>, open: &[OpenThread]) -> HashMap<(u32, u32), Mode> {
    let mut modes = HashMap::new();
    let begun = Instant::now();
    while modes.len() < before.len() {
        let last = begun.elapsed() >= TICK_PATIENCE;
        for OpenThread { thread, .. } in open {
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

fn settle(open: &mut OpenThread, mode: Mode) {
    let open_ns = open.open_ns;
    let thread = &mut open.thread;
    let had_events = thread.run.clipped_ns > 0 || thread.run.count > 0;
    match mode {
        Mode::User => {
            // One tick says where it is now, and not that it was there all along.
            thread.budget.kernel_outside_calls_ns = None;
            thread.budget.user_ns += open_ns;
            thread.budget.unknown_ns -= open_ns;
        }
        Mode::Kernel if thread.kernel_only => {
            let known_ns = thread.budget.kernel_outside_calls_ns.unwrap_or(0);
            thread.budget.kernel_outside_calls_ns = Some(known_ns + open_ns);
            thread.budget.unknown_ns -= open_ns;
        }
        Mode::Kernel => {
            thread.budget.kernel_ns += open_ns;
            thread.budget.unknown_ns -= open_ns;
        }
        // Since before the window: more likely preempted than woken just then.
        Mode::Waiting if !had_events => {
            thread.budget.ready_preempted_ns += open_ns;
            thread.budget.unknown_ns -= open_ns;
        }
        Mode::Waiting | Mode::Unknown => {}
    }
    if !had_events {
        match mode {
            Mode::User | Mode::Kernel => thread.run.clipped_ns = open_ns,
            Mode::Waiting => thread.ready.clipped_ns = open_ns,
            Mode::Unknown => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Identity, Mode, OpenThread, Thread, settle, settle_all};
    use crate::sample::Budget;

    /// A thread whose window of 100 ns is an open question.
    fn open_question(clipped_run_ns: i64) -> OpenThread {
        let mut thread = Thread {
            budget: Budget {
                wall_ns: 100,
                unknown_ns: 100,
                ..Budget::default()
            },
            ..Thread::default()
        };
        thread.run.clipped_ns = clipped_run_ns;
        OpenThread {
            thread,
            open_ns: 100,
        }
    }

    #[test]
    fn a_thread_without_events_ran_or_waited_all_along() {
        for (mode, user_ns, kernel_ns, run_ns, ready_ns, unknown_ns) in [
            (Mode::User, 100, 0, 100, 0, 0),
            (Mode::Kernel, 0, 100, 100, 0, 0),
            (Mode::Waiting, 0, 0, 0, 100, 0),
            (Mode::Unknown, 0, 0, 0, 0, 100),
        ] {
            let mut open = open_question(0);
            settle(&mut open, mode);
            let thread = open.thread;
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
    fn what_another_process_with_its_pid_does_is_not_a_thread_s() {
        let mut spinning = Command::new("sh");
        let mut child = spinning
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let pid = child.id();
        let identity = Identity::of(pid).unwrap().unwrap();
        let unknown_ns = |identity| {
            let mut open = open_question(0);
            (open.thread.pid, open.thread.tid) = (pid, pid);
            settle_all(vec![open], &[identity])[0].budget.unknown_ns
        };
        // It may be loading its program yet, and both of its times may move between two looks.
        while unknown_ns(identity) != 0 {}
        let earlier = Identity {
            start_ticks: identity.start_ticks - 1,
            ..identity
        };
        assert_eq!(unknown_ns(earlier), 100);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_events_have_shown_is_left_as_it_is() {
        for mode in [Mode::User, Mode::Kernel, Mode::Waiting, Mode::Unknown] {
            let mut open = open_question(60);
            settle(&mut open, mode);
            let thread = open.thread;
            assert_eq!((thread.run.clipped_ns, thread.ready.clipped_ns), (60, 0));
        }
    }
}
