//! Strangers that get the pid of a target that has ended.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

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

fn threads_of(sample: &Sample, pid: u32) -> usize {
    let threads = sample.threads.iter();
    threads.filter(|thread| thread.pid == pid).count()
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
    assert_eq!(threads_of(&sample, pid), 1, "{:#?}", sample.threads);
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
    assert_eq!(threads_of(&sample, pid), 0, "{:#?}", sample.threads);
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

fn a_window(session: &CaptureSession, what_happens: impl FnOnce()) -> Sample {
    session.start(None).unwrap();
    what_happens();
    session.stop().unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    assert_adds_up(&sample);
    sample
}

/// Whether a stranger with the pid of a process that was waited for is out of the samples in the end: the kernel tells that it frees
/// the process an RCU grace period after that, and until then the pid is still the target's. A window takes at least such a
/// period to be read. `None`: there was no stranger.
fn is_forgotten(session: &CaptureSession, pid: u32) -> Option<bool> {
    const MOST_GRACE_PERIODS: usize = 500;
    for _ in 0..MOST_GRACE_PERIODS {
        let mut stranger = None;
        let sample = a_window(session, || {
            stranger = Stranger::with_pid(pid);
            while stranger.as_ref().is_some_and(|stranger| !stranger.sleeps()) {
                std::thread::yield_now();
            }
        });
        stranger.as_ref()?;
        if threads_of(&sample, pid) > 0 {
            continue;
        }
        assert_eq!(calls(&sample), 0);
        // Neither is it in a window through which it sleeps, of which only /proc tells.
        let sample = a_window(session, || {});
        assert_eq!(threads_of(&sample, pid), 0, "{:#?}", sample.threads);
        return Some(true);
    }
    Some(false)
}

#[test]
fn a_stranger_with_the_pid_of_a_target_whose_children_are_followed_is_forgotten() {
    let mut other = sleeper();
    let is_forgotten = (0..20).find_map(|_| {
        let mut target = sleeper();
        let session = CaptureSession::open(&Options {
            pids: vec![target.id(), other.id()],
            follow: true,
            ..Options::default()
        })
        .unwrap();
        let sample = a_window(&session, || {
            target.kill().unwrap();
            target.wait().unwrap();
        });
        assert_eq!(threads_of(&sample, target.id()), 1);
        is_forgotten(&session, target.id())
    });
    assert_eq!(is_forgotten, Some(true));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_stranger_with_the_pid_of_a_followed_child_is_forgotten() {
    const PARENT: &str = "read go; sleep 60 & echo $!; wait; echo; read go";
    let is_forgotten = (0..20).find_map(|_| {
        let mut parent = Command::new("sh")
            .args(["-c", PARENT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let session = CaptureSession::open(&Options {
            pids: vec![parent.id()],
            follow: true,
            ..Options::default()
        })
        .unwrap();
        let mut told = BufReader::new(parent.stdout.take().unwrap()).lines();
        let mut pid = 0;
        let sample = a_window(&session, || {
            parent.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
            pid = told.next().unwrap().unwrap().parse().unwrap();
        });
        assert_eq!(threads_of(&sample, pid), 1);
        // SAFETY: no addresses; the child is its parent's, who has not waited for it, as it lives.
        unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
        // Now it has.
        told.next().unwrap().unwrap();
        let is_forgotten = is_forgotten(&session, pid);
        parent.kill().unwrap();
        parent.wait().unwrap();
        is_forgotten
    });
    assert_eq!(is_forgotten, Some(true));
}
