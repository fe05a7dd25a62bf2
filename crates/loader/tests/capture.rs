//! Captures of this very process on this machine's kernel, as root: each test's thread does something whose numbers
//! are known. Both kinds of program are tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use loader::capture::{CaptureSession, Options};
use loader::error::ErrorKind;
use loader::probes::AttachMode;
use loader::sample::{Sample, StopReason, Thread};
use support::{assert_adds_up, count};

const MODES: [AttachMode; 2] = [AttachMode::Best, AttachMode::RawTracepoint];

fn open(mode: AttachMode) -> CaptureSession {
    CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        ..Options::default()
    })
    .unwrap()
}

/// A thread that does `work` when told to, and says when it is done.
struct Worker {
    tid: u32,
    go: Sender<()>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn new(work: impl FnOnce() + Send + 'static) -> Self {
        let (go, wait_for_go) = channel();
        let (say_done, done) = channel();
        let (say_tid, tid) = channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            say_tid.send(unsafe { libc::gettid() } as u32).unwrap();
            if wait_for_go.recv().is_err() {
                return;
            }
            work();
            say_done.send(()).unwrap();
            // Lives until the sample has been read.
            let _ = wait_for_go.recv();
        });
        Self {
            tid: tid.recv().unwrap(),
            go,
            done,
            thread,
        }
    }

    fn run(&self) {
        self.go.send(()).unwrap();
        self.done.recv().unwrap();
    }

    fn end(self) {
        drop(self.go);
        self.thread.join().unwrap();
    }
}

fn thread(sample: &Sample, tid: u32) -> &Thread {
    let found: Vec<&Thread> = sample
        .threads
        .iter()
        .filter(|thread| thread.tid == tid)
        .collect();
    assert_eq!(found.len(), 1, "one entry for {tid}");
    found[0]
}

fn closed_by_hand(session: &CaptureSession) -> Sample {
    session.stop().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
    session.read().unwrap()
}

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
        assert_eq!(count(thread, "getppid"), 1234, "{mode:?}");
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
            // SAFETY: gettid has no preconditions.
            told.store(unsafe { libc::gettid() } as u32, Ordering::SeqCst);
            while !stopped.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        while tid.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let session = open(mode);
        let ran_in = |sample: &Sample| {
            let run = &thread(sample, tid.load(Ordering::SeqCst)).run;
            run.total_ns + run.clipped_ns > 0
        };
        // On a busy machine it may wait for a CPU through a whole window.
        let sample = loop {
            session.start(Some(60_000_000)).unwrap();
            session.wait().unwrap();
            let sample = session.read().unwrap();
            if ran_in(&sample) {
                break sample;
            }
        };
        stop.store(true, Ordering::Relaxed);
        spinner.join().unwrap();
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
            "{mode:?}: it runs or waits for a CPU, and nothing else: {accounted} {lost_ns}"
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
        .map(|call| (call.name.as_str(), call.count, call.in_flight_ns))
        .collect();
    assert_eq!(calls, [("futex", 0, 20_000_000)]);
    worker.end();
}

#[test]
fn threads_that_end_keep_their_name_and_numbers() {
    let session = open(AttachMode::Best);
    session.start(None).unwrap();
    let tids: Vec<u32> = (0..50)
        .map(|index| {
            let thread = std::thread::Builder::new()
                .name(format!("shortlived{index}"))
                .spawn(|| {
                    // SAFETY: neither call has preconditions.
                    unsafe {
                        libc::syscall(libc::SYS_getppid);
                        libc::gettid() as u32
                    }
                });
            thread.unwrap().join().unwrap()
        })
        .collect();
    let sample = closed_by_hand(&session);
    for (index, tid) in tids.into_iter().enumerate() {
        let name = format!("shortlived{index}");
        let thread = sample
            .threads
            .iter()
            .find(|thread| thread.tid == tid && thread.comm == name);
        let thread = thread.unwrap_or_else(|| panic!("{name} is not in the sample"));
        assert_eq!(count(thread, "getppid"), 1);
        assert!(thread.budget.wall_ns > 0 && thread.budget.unknown_ns == 0);
    }
    assert_adds_up(&sample);
}

#[test]
fn a_name_given_by_a_sibling_counts_as_a_name_taken_does() {
    for mode in MODES {
        let living = Worker::new(|| {});
        let ending = Worker::new(|| {});
        let session = open(mode);
        session.start(None).unwrap();
        living.run();
        ending.run();
        for (worker, name) in [(&living, "named-living"), (&ending, "named-ending")] {
            std::fs::write(format!("/proc/self/task/{}/comm", worker.tid), name).unwrap();
        }
        let ended = ending.tid;
        ending.end();
        let sample = closed_by_hand(&session);
        assert_eq!(thread(&sample, living.tid).comm, "named-living", "{mode:?}");
        assert_eq!(thread(&sample, ended).comm, "named-ending", "{mode:?}");
        living.end();
    }
}

#[test]
fn a_window_sees_more_threads_come_and_go_than_it_has_records() {
    const THREADS: usize = 4000;
    for mode in MODES {
        let session = CaptureSession::open(&Options {
            pids: vec![std::process::id()],
            attach_mode: mode,
            ..Options::default()
        })
        .unwrap();
        session.start(None).unwrap();
        for index in 0..THREADS {
            let thread = std::thread::Builder::new()
                .name(format!("many{index}"))
                .spawn(|| {
                    // SAFETY: getppid has no preconditions.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                });
            thread.unwrap().join().unwrap();
        }
        let sample = closed_by_hand(&session);
        assert_eq!(sample.losses.threads_untracked, 0, "{mode:?}");
        assert_eq!(sample.losses.syscalls_untracked, 0, "{mode:?}");
        let many: Vec<&Thread> = sample
            .threads
            .iter()
            .filter(|thread| thread.comm.starts_with("many"))
            .collect();
        // `join` returns a moment before the thread says that it exits: the last one may not have come to it.
        let ended = many.iter().filter(|thread| thread.exited).count();
        assert!(ended >= THREADS - 1, "{mode:?}: {ended}");
        let names: HashSet<&str> = many.iter().map(|thread| thread.comm.as_str()).collect();
        assert_eq!((many.len(), names.len()), (THREADS, THREADS), "{mode:?}");
        // Since 7.0 a program may be preempted, and then the kernel skips it for others on that CPU, and counts that.
        let skipped = sample.losses.recursion_misses.unwrap_or(0);
        let missed = many.iter().filter(|thread| count(thread, "getppid") != 1);
        assert!(
            missed.count() as i64 <= skipped,
            "{mode:?}: {skipped} skipped"
        );
        assert_adds_up(&sample);
    }
}

#[test]
fn calls_out_of_order_are_errors_and_closing_twice_is_harmless() {
    let session = open(AttachMode::Best);
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);
    assert_eq!(session.wait().unwrap_err().kind, ErrorKind::WrongState);
    session.stop().unwrap();
    session.start(None).unwrap();
    assert_eq!(session.start(None).unwrap_err().kind, ErrorKind::WrongState);
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);
    session.close();
    session.close();
    assert!(session.is_closed());
    assert_eq!(session.start(None).unwrap_err().kind, ErrorKind::WrongState);
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
}

#[test]
fn closing_ends_a_wait_under_way() {
    let session = Arc::new(open(AttachMode::Best));
    session.start(None).unwrap();
    let waiting = Arc::clone(&session);
    let waiter = std::thread::spawn(move || waiting.wait().unwrap());
    // Makes it likely that the wait is under way; what is asserted holds in any order.
    std::thread::sleep(Duration::from_millis(5));
    session.close();
    assert_eq!(waiter.join().unwrap(), StopReason::Interrupt);
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
fn a_full_table_is_counted_and_never_made_up() {
    let options = Options {
        pids: vec![std::process::id()],
        thread_capacity: Some(1),
        ..Options::default()
    };
    let session = CaptureSession::open(&options).unwrap();
    session.start(None).unwrap();
    for _ in 0..5 {
        std::thread::spawn(|| {}).join().unwrap();
    }
    let sample = closed_by_hand(&session);
    assert!(sample.losses.threads_untracked > 0);
}

#[test]
fn what_cannot_be_monitored_is_refused_before_anything_is_attached() {
    for (pids, kind) in [
        (vec![], ErrorKind::InvalidArgument),
        (vec![0x7fff_ffff], ErrorKind::NoSuchProcess),
        (vec![2], ErrorKind::KernelThread),
    ] {
        let error = CaptureSession::open(&Options {
            pids,
            ..Options::default()
        })
        .err()
        .unwrap();
        assert_eq!(error.kind, kind);
        assert!(error.hint.is_some() || kind == ErrorKind::InvalidArgument);
    }
}

#[test]
fn the_doctor_finds_this_machine_capable_and_no_probe_falls_back() {
    let diagnosis = loader::doctor::diagnose();
    assert!(diagnosis.capable, "{diagnosis:#?}");
    let probes: Vec<_> = diagnosis
        .checks
        .iter()
        .filter(|check| check.name.starts_with("probe "))
        .collect();
    assert_eq!(probes.len(), 14);
    // tp_btf needs bpf_get_current_task_btf (Linux 5.11); where the kernel has it, a fallback is a defect of a program.
    let release: Vec<u32> = diagnosis
        .kernel
        .split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .collect();
    if (release[0], release[1]) >= (5, 11) {
        for probe in probes {
            assert_eq!(probe.detail, "tp_btf", "{}", probe.name);
        }
    }
}

#[test]
fn the_doctor_tries_every_feature() {
    let diagnosis = loader::doctor::diagnose();
    let features: Vec<_> = diagnosis
        .checks
        .iter()
        .filter_map(|check| Some((check.name.strip_prefix("feature ")?, &*check.detail)))
        .collect();
    assert_eq!(features.len(), 11, "{features:#?}");
    for (name, detail) in features {
        let expected = match name {
            // What every kernel has that can capture.
            "raw_tp" | "uprobes" | "ref_ctr_offset" | "ring buffer" => Some(true),
            "kprobes" => Some(Path::new("/sys/bus/event_source/devices/kprobe").exists()),
            _ => None,
        };
        let has = detail == "yes";
        assert!(has || detail.starts_with("no: "), "{name}: {detail}");
        if let Some(expected) = expected {
            assert_eq!(has, expected, "{name}: {detail}");
        }
    }
}
