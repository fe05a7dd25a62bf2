//! What lies in a window between two triggers, and between two windows.

use std::time::{Duration, Instant};

use loader::kernel::clock::monotonic_ns;
use loader::kernel::own_thread::own_tid;
use loader::options::Options;
use loader::sample::{PathStep, StopReason};
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use crate::functions::{kdelay_test_begin, kdelay_test_end, kdelay_test_sleep};
use crate::support::{assert_adds_up, assert_count, assert_without_gap};
use crate::{alone, getppid, open, options, own};

#[test]
fn a_window_is_exactly_what_lies_between_two_triggers() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    session.start(None).unwrap();
    getppid(7);
    let before_ns = monotonic_ns();
    kdelay_test_begin(1);
    let begun_ns = monotonic_ns();
    getppid(100);
    let ended_ns = monotonic_ns();
    kdelay_test_end(1);
    let after_ns = monotonic_ns();
    getppid(13);
    // No window is armed any more, so nobody misses it.
    kdelay_test_begin(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!((before_ns..=begun_ns).contains(&sample.start.at_ns));
    assert!((ended_ns..=after_ns).contains(&sample.stop.at_ns));
    assert_count(&sample, own(&sample), "getppid", 100, "between");
    let by = sample.start.by.clone().unwrap();
    assert_eq!((by.pid, by.tid), (std::process::id(), own_tid()));
    assert_eq!(sample.stop.by.clone().unwrap().tid, own_tid());
    assert_eq!(sample.losses.triggers_missed, 0);
    assert_adds_up(&sample);
}

/// Each edge lies between the program's own readings of the clock before and after the call. How far apart the two deltas are
/// is printed: it is what two breakpoints take.
#[test]
fn the_delta_is_the_programs_own() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    let mut best_ns = u64::MAX;
    for _ in 0..20 {
        session.start(None).unwrap();
        let before_ns = monotonic_ns();
        kdelay_test_begin(1);
        let begun_ns = monotonic_ns();
        let mut ended_ns = begun_ns;
        while ended_ns < begun_ns + 500_000 {
            ended_ns = monotonic_ns();
        }
        kdelay_test_end(1);
        let after_ns = monotonic_ns();
        session.wait().unwrap();
        let sample = session.read().unwrap();
        let delta_ns = sample.stop.at_ns - sample.start.at_ns;
        assert!((ended_ns - begun_ns..=after_ns - before_ns).contains(&delta_ns));
        best_ns = best_ns.min(delta_ns - (ended_ns - begun_ns));
    }
    eprintln!("the trigger's delta exceeds the program's own by {best_ns} ns at best");
}

#[test]
fn a_function_is_captured_from_its_call_to_its_return() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_sleep"), Some("ur:kdelay_test_sleep"));
    session.start(None).unwrap();
    let begun = Instant::now();
    kdelay_test_sleep(20);
    let own_ns = begun.elapsed().as_nanos() as u64;
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    let window_ns = sample.stop.at_ns - sample.start.at_ns;
    assert!((20_000_000..=own_ns).contains(&window_ns), "{window_ns}");
    let thread = own(&sample);
    assert_count(&sample, thread, "clock_nanosleep", 1, "between");
    // How soon it sleeps in the call, and how late it is back, is the machine's.
    assert!(thread.budget.blocked_ns > 0);
    assert_adds_up(&sample);
}

/// A slow function that waits for another thread, which sleeps: the path of each window says so, and adds up to it.
#[test]
fn the_critical_path_of_a_slow_call_leads_to_who_was_waited_for() {
    let _alone = alone();
    const ASLEEP: Duration = Duration::from_millis(40);
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    session.start(None).unwrap();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (answer, answered) = std::sync::mpsc::channel();
    let helper = std::thread::spawn(move || {
        asked.recv().unwrap();
        std::thread::sleep(ASLEEP);
        answer.send(own_tid()).unwrap();
    });
    kdelay_test_begin(1);
    ask.send(()).unwrap();
    let helper_tid = answered.recv().unwrap();
    kdelay_test_end(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert_adds_up(&sample);
    let path = sample.critical_path.as_ref().unwrap();
    assert_eq!((path.pid, path.tid), (std::process::id(), own_tid()));
    assert_without_gap(&sample, path, 0);
    // Where the kernel has skipped a probe (since Linux 7.0) that may have been the one at the beginning of the call.
    let is_skipped = sample.losses.recursion_misses.unwrap_or(0) > 0;
    let is_in_it = |call: Option<&str>| match call {
        Some(call) => call == "clock_nanosleep",
        None => is_skipped,
    };
    let asleep = path.segments.iter().filter(|segment| {
        let sleeps = |step: &PathStep| {
            step.what == "blocked" && step.tid == helper_tid && is_in_it(step.call.as_deref())
        };
        segment.steps.iter().any(sleeps)
    });
    let asleep_ns: i64 = asleep.map(|segment| segment.to_ns - segment.from_ns).sum();
    assert!(asleep_ns >= ASLEEP.as_nanos() as i64 / 2, "{path:#?}");
    helper.join().unwrap();
}

#[test]
fn a_start_trigger_alone_opens_a_window_of_the_given_length() {
    let _alone = alone();
    let session = open(Some("ur:kdelay_test_begin"), None);
    session.start(Some(5_000_000)).unwrap();
    assert!(session.open_window().is_none());
    kdelay_test_begin(1);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let sample = session.read().unwrap();
    assert_eq!(sample.stop.at_ns - sample.start.at_ns, 5_000_000);
    assert!(sample.start.by.is_some() && sample.stop.by.is_none());
    assert_adds_up(&sample);
}

#[test]
fn a_stop_trigger_alone_ends_a_window_that_was_opened_at_once() {
    let _alone = alone();
    let session = open(None, Some("ur:kdelay_test_end"));
    session.start(None).unwrap();
    getppid(5);
    kdelay_test_end(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!(sample.start.by.is_none() && sample.stop.by.is_some());
    assert_count(&sample, own(&sample), "getppid", 5, "between");
    assert_adds_up(&sample);
}

/// Each window follows its predecessor at once: the next is armed while the one before it is open, so that reading takes no
/// time of the triggers'.
#[test]
fn consecutive_captures_leave_no_time_between_them() {
    let _alone = alone();
    const WINDOWS: usize = 6;
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    assert!(session.windows_ahead().unwrap() >= WINDOWS);
    for _ in 0..WINDOWS {
        session.start(None).unwrap();
    }
    for index in 0..WINDOWS {
        kdelay_test_begin(1);
        getppid(index + 1);
        kdelay_test_end(1);
    }
    let mut before: Option<Sample> = None;
    let mut dead_ns = Vec::new();
    for index in 0..WINDOWS {
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        let sample = session.read().unwrap();
        assert_count(
            &sample,
            own(&sample),
            "getppid",
            index as i64 + 1,
            "between",
        );
        assert_eq!(sample.losses.triggers_missed, 0);
        assert_adds_up(&sample);
        if let Some(before) = before {
            dead_ns.push(sample.start.at_ns - before.stop.at_ns);
        }
        before = Some(sample);
    }
    eprintln!("ns between two consecutive captures: {dead_ns:?}");
    assert!(dead_ns.iter().min().unwrap() < &5_000_000);
}

/// A thread that sleeps through one window and acts in the next is described for both, although its record is the second's.
#[test]
fn a_thread_without_events_in_its_window_is_told_by_its_next_event() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    let (sleeper_tid, tid) = std::sync::mpsc::channel();
    let (wake, woken) = std::sync::mpsc::channel::<()>();
    let (say_done, done) = std::sync::mpsc::channel();
    let sleeper = std::thread::spawn(move || {
        sleeper_tid.send(own_tid()).unwrap();
        woken.recv().unwrap();
        getppid(4);
        say_done.send(()).unwrap();
        let _ = woken.recv();
    });
    let tid = tid.recv().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    session.start(None).unwrap();
    session.start(None).unwrap();
    kdelay_test_begin(1);
    getppid(1);
    kdelay_test_end(1);
    kdelay_test_begin(1);
    wake.send(()).unwrap();
    done.recv().unwrap();
    kdelay_test_end(1);
    let of = |sample: &Sample| {
        let found = sample.threads.iter().find(|thread| thread.tid == tid);
        found.unwrap().clone()
    };
    session.wait().unwrap();
    let first = session.read().unwrap();
    let thread = of(&first);
    assert_eq!(
        thread.budget.blocked_ns, thread.budget.wall_ns,
        "{thread:?}"
    );
    // Before Linux 5.15 the kernel hands over no other task's registers, which name the call.
    let btf = loader::kernel::btf::Btf::of_running_kernel().unwrap();
    if btf.has_enumerator("bpf_func_id", "BPF_FUNC_task_pt_regs") {
        let futex = thread.syscalls.iter().find(|call| call.name() == "futex");
        assert_eq!(futex.unwrap().in_flight_ns, thread.budget.wall_ns);
    }
    session.wait().unwrap();
    let second = session.read().unwrap();
    assert_count(&second, &of(&second), "getppid", 4, "second");
    assert_adds_up(&first);
    assert_adds_up(&second);
    drop(wake);
    sleeper.join().unwrap();
}

#[test]
fn discarded_windows_give_their_records_back() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    for _ in 0..40 {
        session.start(None).unwrap();
        kdelay_test_begin(1);
        getppid(1);
        kdelay_test_end(1);
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        session.discard().unwrap();
    }
    session.start(None).unwrap();
    kdelay_test_begin(1);
    getppid(2);
    kdelay_test_end(1);
    session.wait().unwrap();
    let sample = session.read().unwrap();
    assert_count(&sample, own(&sample), "getppid", 2, "between");
    assert_eq!(sample.losses.threads_untracked, 0);
}

#[test]
fn what_is_discarded_is_what_was_looked_at_and_not_the_next_one() {
    let _alone = alone();
    let session = CaptureSession::open(&Options {
        off_cpu: true,
        ..options(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"))
    })
    .unwrap();
    for _ in 0..2 {
        session.start(None).unwrap();
    }
    for calls in [3, 4] {
        kdelay_test_begin(1);
        getppid(calls);
        kdelay_test_end(1);
    }
    session.wait().unwrap();
    session.missing_debug_files().unwrap();
    session.discard().unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    assert_count(&sample, own(&sample), "getppid", 4, "the second one");
}

/// Its first event, a wakeup, does not tell a stop from a sleep, and nobody looks at the very moment at which a trigger fires.
#[test]
fn a_process_that_goes_on_right_after_a_trigger_was_stopped_before() {
    let _alone = alone();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let send = |signal| {
        // SAFETY: no addresses, and the child is ours.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
    };
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.contains(") T ")
    };
    send(libc::SIGSTOP);
    while !is_stopped() {
        std::thread::yield_now();
    }
    let session = CaptureSession::open(&Options {
        pids: vec![child.id()],
        ..options(Some("t:sched:sched_process_exec"), None)
    })
    .unwrap();
    session.start(None).unwrap();
    // In any task.
    std::process::Command::new("true").status().unwrap();
    send(libc::SIGCONT);
    while is_stopped() {
        std::thread::yield_now();
    }
    session.stop().unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    let found = |thread: &&loader::sample::Thread| thread.pid == child.id();
    let thread = sample.threads.iter().find(found).unwrap();
    assert!(thread.stopped.clipped_ns > 0, "{thread:?}");
    assert_eq!(thread.budget.stopped_ns, thread.stopped.clipped_ns);
    assert_adds_up(&sample);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Most of these are over before the scheduler has done anything: the thread has run all along. They are read when others have come and gone.
#[test]
fn a_window_without_a_switch_has_a_path_all_the_same() {
    const ROUNDS: usize = 20;
    const AHEAD: usize = 3;
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    for _ in 0..ROUNDS {
        for _ in 0..AHEAD {
            session.start(None).unwrap();
        }
        for _ in 0..AHEAD {
            kdelay_test_begin(1);
            kdelay_test_end(1);
            // Others come to its CPU between two of them.
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..AHEAD {
            assert_eq!(session.wait().unwrap(), StopReason::Trigger);
            let sample = session.read().unwrap();
            let path = sample.critical_path.as_ref().unwrap();
            assert_eq!((path.pid, path.tid), (std::process::id(), own_tid()));
            assert_without_gap(&sample, path, 0);
        }
    }
}
