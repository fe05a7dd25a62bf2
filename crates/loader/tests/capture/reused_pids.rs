//! Strangers that get the pid of a target that has ended.

use loader::options::Options;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use crate::stranger::{Stranger, sleeper};
use crate::support::{assert_adds_up, count};

fn calls(sample: &Sample) -> i64 {
    sample
        .threads
        .iter()
        .map(|thread| count(thread, "getppid"))
        .sum()
}

/// What two windows say of a target and of a stranger that got its pid in the first one. False: there was no stranger.
fn is_told_apart(others: &[u32]) -> bool {
    let mut target = sleeper();
    let pid = target.id();
    let session = CaptureSession::open(&Options {
        pids: [&[pid][..], others].concat(),
        ..Options::default()
    })
    .unwrap();
    session.start(None).unwrap();
    target.kill().unwrap();
    target.wait().unwrap();
    let Some(stranger) = Stranger::with_pid(pid) else {
        return false;
    };
    while !stranger.sleeps() {
        std::thread::yield_now();
    }
    session.stop().unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    assert_eq!(calls(&sample), 0, "{:#?}", sample.threads);
    let of_pid = |sample: &Sample| {
        let threads = sample.threads.iter();
        threads.filter(|thread| thread.pid == pid).count()
    };
    assert_eq!(of_pid(&sample), 1, "{:#?}", sample.threads);
    assert!(sample.threads.iter().any(|thread| thread.exited));
    assert_adds_up(&sample);
    // It sleeps through the next window, of which only /proc tells. Where no target is left, that ends at once, long before its time.
    let (length_ns, ends_by) = if others.is_empty() {
        (60_000_000_000, StopReason::Exit)
    } else {
        (1_000_000, StopReason::Time)
    };
    session.start(Some(length_ns)).unwrap();
    assert_eq!(session.wait().unwrap(), ends_by);
    let sample = session.read().unwrap();
    assert_eq!(of_pid(&sample), 0, "{:#?}", sample.threads);
    assert_eq!(sample.targets[0].comm, "sleep");
    true
}

#[test]
fn a_stranger_with_the_pid_of_the_one_target_is_not_the_target() {
    assert!((0..20).any(|_| is_told_apart(&[])));
}

#[test]
fn a_stranger_with_the_pid_of_one_of_several_targets_is_not_the_target() {
    let mut other = sleeper();
    assert!((0..20).any(|_| is_told_apart(&[other.id()])));
    other.kill().unwrap();
    other.wait().unwrap();
}
