//! What came before a window that a trigger opens.

use std::thread::JoinHandle;
use std::time::Duration;

use loader::kernel::clock::monotonic_ns;
use loader::kernel::own_thread::own_tid;
use loader::options::Options;
use loader::sample::{CriticalPath, StopReason};
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use crate::functions::{kdelay_test_begin, kdelay_test_end};
use crate::support::{assert_adds_up, assert_without_gap};
use crate::truth::Did;
use crate::{alone, options};

const ASLEEP: Duration = Duration::from_millis(40);
/// Longer than the tests take.
const BEFORE: Duration = Duration::from_secs(5);

fn open(stop: Option<&str>, recorder_bytes: u32) -> CaptureSession {
    CaptureSession::open(&Options {
        before_ns: BEFORE.as_nanos() as u64,
        recorder_bytes,
        ..options(Some("up:kdelay_test_begin"), stop)
    })
    .unwrap()
}

/// Sleeps when it is asked, and answers then.
fn helper() -> (impl Fn(), JoinHandle<()>, u32) {
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (answer, answered) = std::sync::mpsc::channel();
    let helper = std::thread::spawn(move || {
        answer.send(own_tid()).unwrap();
        while asked.recv().is_ok() {
            std::thread::sleep(ASLEEP);
            answer.send(0).unwrap();
        }
    });
    let tid = answered.recv().unwrap();
    let wait = move || {
        ask.send(()).unwrap();
        answered.recv().unwrap();
    };
    (wait, helper, tid)
}

/// Its parts follow each other from no later than that time on to the window's end.
fn assert_whole(sample: &Sample, path: &CriticalPath, known_ns: u64) {
    let begin_ns = path.segments[0].from_ns;
    assert!(
        begin_ns <= known_ns as i64 - sample.start.at_ns as i64,
        "{path:#?}"
    );
    assert!(begin_ns >= -(BEFORE.as_nanos() as i64));
    assert_without_gap(sample, path, begin_ns);
}

/// How long the path will have been where the helper sleeps, at the least: it is the helper's sleep, as far as this thread waits for it,
/// which may come late to that.
fn at_least_asleep_ns(wait: impl Fn()) -> i64 {
    let waited_ns = Did::of(wait).blocked_ns() as i64;
    waited_ns.min(ASLEEP.as_nanos() as i64) / 2
}

/// How long before the window the path was where that thread slept.
fn asleep_before_ns(path: &CriticalPath, tid: u32) -> i64 {
    let its = path.segments.iter().filter(|segment| {
        // Before Linux 5.15 the registers of a task that sleeps, and with them its call, cannot be had outside of windows.
        let in_it =
            |call: &Option<String>| call.as_deref().is_none_or(|it| it == "clock_nanosleep");
        let sleeps = |step: &loader::sample::PathStep| {
            step.what == "blocked" && step.tid == tid && in_it(&step.call)
        };
        segment.to_ns <= 0 && segment.steps.iter().any(sleeps)
    });
    its.map(|segment| segment.to_ns - segment.from_ns).sum()
}

#[test]
fn the_path_of_a_window_begins_with_the_wait_that_came_before_it() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_end"), 1 << 20);
    let (wait, helper, helper_tid) = helper();
    let mut known_ns = monotonic_ns();
    // The second one's begins with what the first one has seen.
    let mut least_ns = 0;
    for round in 1..=2 {
        session.start(None).unwrap();
        least_ns += at_least_asleep_ns(&wait);
        kdelay_test_begin(1);
        kdelay_test_end(1);
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        let sample = session.read().unwrap();
        assert_adds_up(&sample);
        let path = sample.critical_path.as_ref().unwrap();
        assert_eq!(path.tid, own_tid());
        assert_whole(&sample, path, known_ns);
        let asleep_ns = asleep_before_ns(path, helper_tid);
        assert!(asleep_ns >= least_ns, "{round}: {asleep_ns}, {path:#?}");
        assert_eq!(sample.losses.recorder_overwritten, 0);
    }
    known_ns = monotonic_ns();
    drop(wait);
    helper.join().unwrap();
    // What is seen of a window that nobody reads is there for the next one all the same.
    session.start(None).unwrap();
    kdelay_test_begin(1);
    kdelay_test_end(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    session.discard().unwrap();
    session.start(None).unwrap();
    kdelay_test_begin(1);
    kdelay_test_end(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert_whole(&sample, sample.critical_path.as_ref().unwrap(), known_ns);
}

#[test]
fn without_a_stop_trigger_the_path_is_that_of_who_has_started_the_window() {
    let _alone = alone();
    let session = open(None, 1 << 20);
    let (wait, helper, helper_tid) = helper();
    session.start(Some(1_000_000)).unwrap();
    let known_ns = monotonic_ns();
    let least_ns = at_least_asleep_ns(&wait);
    kdelay_test_begin(1);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let sample = session.read().unwrap();
    let path = sample.critical_path.as_ref().unwrap();
    assert_eq!(path.tid, own_tid());
    assert_whole(&sample, path, known_ns);
    assert!(asleep_before_ns(path, helper_tid) >= least_ns);
    drop(wait);
    helper.join().unwrap();
}

#[test]
fn rings_that_are_filled_again_and_again_before_the_window_lose_no_name_and_nothing_uncounted() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_end"), 4096);
    let (wait, helper, helper_tid) = helper();
    let known_ns = monotonic_ns();
    session.start(None).unwrap();
    for _ in 0..2000 {
        std::thread::sleep(Duration::from_micros(1));
    }
    let least_ns = at_least_asleep_ns(&wait);
    kdelay_test_begin(1);
    kdelay_test_end(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert_adds_up(&sample);
    let path = sample.critical_path.as_ref().unwrap();
    assert_whole(&sample, path, known_ns);
    if sample.losses.recorder_overwritten == 0 {
        let asleep_ns = asleep_before_ns(path, helper_tid);
        assert!(asleep_ns >= least_ns, "{path:#?}");
    }
    drop(wait);
    helper.join().unwrap();
}
