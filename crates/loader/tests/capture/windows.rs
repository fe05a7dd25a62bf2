//! What belongs to a window, and what does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;

use loader::kernel::own_thread::own_tid;
use loader::options::AttachMode;
use loader::options::Options;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use super::support::{assert_adds_up, assert_count, count};
use super::worker::Worker;
use super::{MODES, closed_by_hand, open, thread};

#[test]
fn calls_are_counted_exactly_by_both_kinds_of_program() {
    for mode in MODES {
        let worker = Worker::new(|| {
            for _ in 0..1234 {
                // SAFETY: getppid has no preconditions.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
        });
        let session = open(mode);
        session.start(None).unwrap();
        worker.run();
        let sample = closed_by_hand(&session);
        let thread = thread(&sample, worker.tid);
        assert_count(&sample, thread, "getppid", 1234, &format!("{mode:?}"));
        assert!(!thread.exited);
        assert_adds_up(&sample);
        worker.end();
    }
}

#[test]
fn a_window_has_exactly_the_length_asked_for() {
    let session = open(AttachMode::Best);
    session.start(Some(30_000_000)).unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let sample = session.read().unwrap();
    assert_eq!(sample.stop.at_ns - sample.start.at_ns, 30_000_000);
    assert_adds_up(&sample);
}

#[test]
fn one_window_leaves_nothing_to_the_next() {
    let worker = Worker::new(|| {
        // SAFETY: getppid has no preconditions.
        unsafe { libc::syscall(libc::SYS_getppid) };
    });
    let session = open(AttachMode::Best);
    session.start(None).unwrap();
    worker.run();
    assert_eq!(
        count(thread(&closed_by_hand(&session), worker.tid), "getppid"),
        1
    );
    for _ in 0..20 {
        session.start(Some(1_000_000)).unwrap();
        session.wait().unwrap();
        let sample = session.read().unwrap();
        assert_eq!(count(thread(&sample, worker.tid), "getppid"), 0);
        assert_eq!(sample.losses.threads_untracked, 0);
        assert_adds_up(&sample);
    }
    worker.end();
}

#[test]
fn a_thread_that_spins_in_user_code_all_along_shows_the_whole_window() {
    for mode in MODES {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let tid = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&tid);
        let spinner = std::thread::spawn(move || {
            told.store(own_tid(), Ordering::SeqCst);
            while !stopped.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        while tid.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let session = open(mode);
        let computed = |sample: &Sample| {
            let thread = thread(sample, tid.load(Ordering::SeqCst));
            thread.run.total_ns + thread.run.clipped_ns > 0 && thread.faults.blocked_ns == 0
        };
        // On a busy machine it may wait for a CPU through a whole window; and khugepaged may move a page of its, which a
        // thread that touches it waits for.
        let sample = (0..20).find_map(|_| {
            session.start(Some(60_000_000)).unwrap();
            session.wait().unwrap();
            let sample = session.read().unwrap();
            computed(&sample).then_some(sample)
        });
        stop.store(true, Ordering::Relaxed);
        spinner.join().unwrap();
        let sample = sample.expect("of 20 windows it computes in one, and waits for no page");
        let spinner = thread(&sample, tid.load(Ordering::SeqCst));
        let accounted = spinner.run.total_ns
            + spinner.run.clipped_ns
            + spinner.ready.total_ns
            + spinner.ready.clipped_ns;
        // Where a switch was not reported, the time around it is unknown, and said to be.
        let lost_ns = if sample.losses.switches_missed > 0 {
            spinner.budget.unknown_ns
        } else {
            0
        };
        assert!(
            accounted <= 60_000_000 && accounted + lost_ns >= 60_000_000,
            "{mode:?}: it runs or waits for a CPU, and nothing else: {accounted} {lost_ns} {spinner:?}"
        );
        assert_eq!(spinner.budget.blocked_ns, 0);
        assert_adds_up(&sample);
    }
}

#[test]
fn what_a_thread_does_between_the_end_and_the_reading_is_not_the_windows() {
    for mode in MODES {
        let go_on = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&go_on);
        let (say_spinning, spinning) = channel();
        let (say_blocked, blocked) = channel();
        let spinner = Worker::new(move || {
            say_spinning.send(()).unwrap();
            while goes_on.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            say_blocked.send(()).unwrap();
        });
        let sleeper = Worker::new(|| {});
        let session = open(mode);
        spinner.go.send(()).unwrap();
        spinning.recv().unwrap();
        session.start(Some(20_000_000)).unwrap();
        assert_eq!(session.wait().unwrap(), StopReason::Time);
        // The one that computed sleeps from now on, and the one that slept has an errand and ends.
        go_on.store(false, Ordering::Relaxed);
        blocked.recv().unwrap();
        let slept = sleeper.tid;
        sleeper.end();
        let sample = session.read().unwrap();
        let spun = thread(&sample, spinner.tid);
        assert_eq!(spun.budget.blocked_ns, 0, "{mode:?}: {spun:#?}");
        let slept = thread(&sample, slept);
        assert_eq!(slept.budget.blocked_ns, 20_000_000, "{mode:?}: {slept:#?}");
        assert!(!slept.exited && slept.run.count == 0 && slept.ready.count == 0);
        assert_adds_up(&sample);
        spinner.done.recv().unwrap();
        spinner.end();
    }
}

#[test]
fn a_thread_that_only_sleeps_is_named_by_its_call() {
    let worker = Worker::new(|| {});
    let session = open(AttachMode::Best);
    session.start(Some(20_000_000)).unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    let sleeper = thread(&sample, worker.tid);
    assert_eq!(sleeper.budget.blocked_ns, 20_000_000);
    let calls: Vec<_> = sleeper
        .syscalls
        .iter()
        .map(|call| (call.name(), call.count, call.in_flight_ns))
        .collect();
    assert_eq!(calls, [("futex".to_owned(), 0, 20_000_000)]);
    worker.end();
}

#[test]
fn the_end_of_the_target_closes_the_window() {
    // Ends when its input does.
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let options = Options {
        pids: vec![child.id()],
        ..Options::default()
    };
    let session = CaptureSession::open(&options).unwrap();
    session.start(None).unwrap();
    drop(child.stdin.take());
    assert_eq!(session.wait().unwrap(), StopReason::Exit);
    let sample = session.read().unwrap();
    assert_eq!(sample.stop.reason, StopReason::Exit);
    assert!(
        sample
            .threads
            .iter()
            .any(|thread| thread.tid == child.id() && thread.exited)
    );
    assert!(!session.targets_alive().unwrap());
    child.wait().unwrap();
}

#[test]
fn the_end_of_the_target_closes_the_window_though_nobody_waits() {
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let session = CaptureSession::open(&Options {
        pids: vec![child.id()],
        ..Options::default()
    })
    .unwrap();
    session.start(None).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, stop) = loop {
        match session.closed_window() {
            Some(window) => break window,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(stop.reason, StopReason::Exit);
    assert_eq!(session.read().unwrap().stop, stop);
}

#[test]
fn a_window_that_was_looked_at_is_the_oldest_until_it_is_read_or_discarded() {
    let session = CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        off_cpu: true,
        ..Options::default()
    })
    .unwrap();
    let window = || {
        session.start(Some(1_000_000)).unwrap();
        session.wait().unwrap();
        let edges = session.closed_window().unwrap();
        session.missing_debug_files().unwrap();
        assert_eq!(session.closed_window(), Some(edges.clone()));
        assert_eq!(session.open_window(), Some(edges.0.clone()));
        assert_eq!(session.wait().unwrap(), StopReason::Time);
        edges
    };
    window();
    session.discard().unwrap();
    assert_eq!(session.closed_window(), None);
    assert!(session.read().is_err());
    let (start, stop) = window();
    let sample = session.read().unwrap();
    assert_eq!((sample.start, sample.stop), (start, stop));
    assert_eq!(session.closed_window(), None);
}
