//! A function's entry and its return: windows are its threads' outermost calls, by the program's own clock.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use loader::kernel::clock::monotonic_ns;
use loader::kernel::own_thread::own_tid;
use loader::options::Options;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use crate::functions::{Inside, kdelay_test_leave, kdelay_test_walk};
use crate::support::{SetOnDrop, assert_adds_up, assert_count};
use crate::{alone, getppid, open, options, own};

/// An outermost call: its window begins in the first of these and ends in the second.
#[derive(Clone, Debug)]
pub struct Timed {
    pub tid: u32,
    pub begins: RangeInclusive<u64>,
    pub ends: RangeInclusive<u64>,
}

fn walk(depth: u64, milliseconds: u64) -> Timed {
    let mut inside = Inside::default();
    let before_ns = monotonic_ns();
    kdelay_test_walk(depth, milliseconds, &mut inside);
    let after_ns = monotonic_ns();
    Timed {
        tid: own_tid(),
        begins: before_ns..=inside.first_ns,
        ends: inside.last_ns..=after_ns,
    }
}

pub fn is_of(sample: &Sample, call: &Timed) -> bool {
    let tids = [&sample.start.by, &sample.stop.by].map(|by| by.as_ref().map(|by| by.tid));
    call.begins.contains(&sample.start.at_ns)
        && call.ends.contains(&sample.stop.at_ns)
        && tids == [Some(call.tid); 2]
}

/// Since Linux 7 the kernel skips programs while one is preempted on their CPU, and counts that.
pub fn is_return_missed(reason: StopReason, sample: &Sample) -> bool {
    let is_missed = reason == StopReason::Left
        && sample
            .losses
            .recursion_misses
            .is_some_and(|count| count > 0);
    assert!(
        is_missed || reason == StopReason::Trigger,
        "{reason:?}: {:?}",
        sample.losses
    );
    is_missed
}

fn open_walk() -> CaptureSession {
    open(Some("up:kdelay_test_walk"), Some("ur:kdelay_test_walk"))
}

#[test]
fn a_recursive_function_is_captured_from_its_outermost_call_to_that_one_s_return() {
    let _alone = alone();
    let session = open_walk();
    for depth in [4, 0, 9] {
        session.start(None).unwrap();
        let call = walk(depth, 1);
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        let sample = session.read().unwrap();
        assert!(is_of(&sample, &call), "{depth}: {call:?}");
        // Calls within it are a part of it.
        assert_eq!(sample.starts_in_window, 0);
        assert_eq!(sample.losses.triggers_missed, 0);
        assert_adds_up(&sample);
    }
}

#[test]
fn each_window_is_one_thread_s_own_call() {
    let _alone = alone();
    const SAMPLES: usize = 12;
    let session = open_walk();
    for _ in 0..session.windows_ahead().unwrap().min(SAMPLES) {
        session.start(None).unwrap();
    }
    let (calls, end) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for milliseconds in [10, 1] {
            let (calls, end) = (&calls, &end);
            scope.spawn(move || {
                while !end.load(Ordering::Acquire) {
                    let call = walk(1, milliseconds);
                    calls
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(call);
                }
            });
        }
        let _callers_end = SetOnDrop(&end);
        let samples: Vec<_> = (0..SAMPLES)
            .map(|_| {
                let reason = session.wait().unwrap();
                let sample = session.read().unwrap();
                session.start(None).unwrap();
                (reason, sample)
            })
            .collect();
        samples
    })
    .into_iter()
    .for_each(|(reason, sample)| {
        if is_return_missed(reason, &sample) {
            return;
        }
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let its = calls.iter().filter(|call| is_of(&sample, call)).count();
        assert_eq!(its, 1, "{:?} to {:?}", sample.start, sample.stop);
        assert_adds_up(&sample);
    });
}

static INSIDE: AtomicBool = AtomicBool::new(false);
static GO: AtomicBool = AtomicBool::new(false);
static TID: AtomicU32 = AtomicU32::new(0);

extern "C" fn stay() {}

extern "C" fn exit_thread() {
    stay_inside();
    // SAFETY: the thread holds nothing that anybody else waits for.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// Tells that it is inside, and waits until it may go on.
fn stay_inside() {
    INSIDE.store(true, Ordering::Release);
    while !GO.swap(false, Ordering::AcqRel) {
        std::thread::yield_now();
    }
}

fn await_inside() {
    while !INSIDE.swap(false, Ordering::AcqRel) {
        std::thread::yield_now();
    }
}

extern "C" fn call_within() {
    stay_inside();
    kdelay_test_leave(stay);
}

#[test]
fn a_window_that_is_armed_within_a_call_waits_for_the_next_outermost_one() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_leave"), Some("ur:kdelay_test_leave"));
    let other = std::thread::spawn(|| kdelay_test_leave(call_within));
    await_inside();
    session.start(None).unwrap();
    GO.store(true, Ordering::Release);
    other.join().unwrap();
    kdelay_test_leave(stay_for_calls);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert_eq!(sample.start.by.as_ref().unwrap().tid, own_tid());
    assert_count(&sample, own(&sample), "getppid", 3, "in the call");
    assert_eq!(sample.losses.triggers_missed, 0);
    assert_adds_up(&sample);
}

#[test]
fn a_thread_that_ends_in_the_call_leaves_no_window_open() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_leave"), Some("ur:kdelay_test_leave"));
    session.start(None).unwrap();
    std::thread::spawn(|| {
        TID.store(own_tid(), Ordering::Release);
        kdelay_test_leave(exit_thread);
    });
    await_inside();
    // Another's call neither closes it nor takes it over.
    kdelay_test_leave(stay);
    session.start(None).unwrap();
    assert!(session.open_window().is_some() && session.closed_window().is_none());
    GO.store(true, Ordering::Release);
    assert_eq!(session.wait().unwrap(), StopReason::Left);
    let (start, stop) = session.closed_window().unwrap();
    assert_eq!(start.by.unwrap().tid, TID.load(Ordering::Acquire));
    assert!(stop.by.is_none());
    session.discard().unwrap();
    getppid(1);
    kdelay_test_leave(stay_for_calls);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert_eq!(sample.start.by.as_ref().unwrap().tid, own_tid());
    assert_count(&sample, own(&sample), "getppid", 3, "in the call");
    assert_eq!(sample.starts_in_window, 1);
    assert_eq!(sample.losses.triggers_missed, 0);
    assert_adds_up(&sample);
}

extern "C" fn stay_for_calls() {
    getppid(3);
}

extern "C" fn exit_process() {
    // SAFETY: no preconditions.
    unsafe { libc::_exit(0) };
}

extern "C" fn execute() {
    let arguments = [c"sleep".as_ptr(), c"60".as_ptr(), std::ptr::null()];
    // SAFETY: strings that end in NUL, and a list of them that ends in null.
    unsafe { libc::execv(c"/bin/sleep".as_ptr(), arguments.as_ptr()) };
}

/// A child that stops, and goes on in a call that it leaves.
struct Child(libc::pid_t);

impl Child {
    fn new(leave: extern "C" fn()) -> Self {
        // SAFETY: the child makes async-signal-safe calls only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: no preconditions.
            unsafe { libc::raise(libc::SIGSTOP) };
            kdelay_test_leave(leave);
            loop {
                // SAFETY: no preconditions.
                unsafe { libc::pause() };
            }
        }
        let mut status = 0;
        // SAFETY: our own child, and a place for its status.
        unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) };
        assert!(libc::WIFSTOPPED(status));
        Self(pid)
    }

    fn go_on(&self) {
        // SAFETY: our own unreaped child's pid.
        unsafe { libc::kill(self.0, libc::SIGCONT) };
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: our own unreaped child's pid.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

fn left_by(leave: extern "C" fn(), others: &[&Child]) -> (StopReason, Option<u32>) {
    let child = Child::new(leave);
    let pids = others.iter().map(|other| other.0 as u32);
    let session = CaptureSession::open(&Options {
        pids: pids.chain([child.0 as u32]).collect(),
        ..options(Some("up:kdelay_test_leave"), Some("ur:kdelay_test_leave"))
    })
    .unwrap();
    session.start(None).unwrap();
    child.go_on();
    let reason = session.wait().unwrap();
    let (start, stop) = session.closed_window().unwrap();
    assert_eq!(start.by.unwrap().pid, child.0 as u32);
    (reason, stop.by.map(|by| by.tid))
}

#[test]
fn a_process_that_ends_in_the_call_ends_its_window() {
    let _alone = alone();
    assert_eq!(left_by(exit_process, &[]), (StopReason::Exit, None));
    // Of one among several the others go on.
    let other = Child::new(stay);
    assert_eq!(left_by(exit_process, &[&other]), (StopReason::Left, None));
}

#[test]
fn a_process_that_executes_another_program_has_left_the_call() {
    let _alone = alone();
    assert_eq!(left_by(execute, &[]), (StopReason::Left, None));
    let other = Child::new(stay);
    assert_eq!(left_by(execute, &[&other]), (StopReason::Left, None));
}

/// What is no pair of one function goes by whoever comes first, as ever.
#[test]
fn a_return_and_an_entry_are_what_lies_between_calls() {
    let _alone = alone();
    let session = open(Some("ur:kdelay_test_walk"), Some("up:kdelay_test_walk"));
    session.start(None).unwrap();
    let first = walk(0, 1);
    getppid(5);
    let second = walk(0, 1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!(first.ends.contains(&sample.start.at_ns));
    assert!(second.begins.contains(&sample.stop.at_ns));
    assert_count(&sample, own(&sample), "getppid", 5, "between");
}

#[test]
fn the_same_function_by_another_name_is_a_pair() {
    let _alone = alone();
    let program = std::fs::read_link("/proc/self/exe").unwrap();
    let program = program.to_str().unwrap();
    let session = open(
        Some(&format!("up:{program}:kdelay_test_walk+0x0")),
        Some("ur:kdelay_test_walk"),
    );
    session.start(None).unwrap();
    let call = walk(3, 1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    assert!(is_of(&session.read().unwrap(), &call));
}
