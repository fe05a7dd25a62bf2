//! What a session does when this process may open no more files, alone: beside other tests these could not either.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

use std::sync::{Mutex, PoisonError};

use loader::error::ErrorKind;
use loader::options::Options;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use support::assert_adds_up;

/// The tests share their process's limits: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn limit_files(to: Option<libc::rlim_t>) {
    // SAFETY: integers, for which zeros are values; both calls are given memory of that size.
    unsafe {
        let mut limits: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits), 0);
        limits.rlim_cur = to.unwrap_or(limits.rlim_max).min(limits.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits), 0);
    }
}

#[test]
fn a_window_that_could_not_be_read_is_read_later_and_nothing_is_lost() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let session = CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        ..Options::default()
    })
    .unwrap();
    for round in 0..5 {
        session.start(Some(2_000_000)).unwrap();
        assert_eq!(session.wait().unwrap(), StopReason::Time);
        let edges = session.closed_window().unwrap();
        limit_files(Some(0));
        let refused = session.read();
        limit_files(None);
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Io, "{round}");
        assert_eq!(session.closed_window(), Some(edges.clone()));
        let sample = session.read().unwrap();
        assert_eq!((sample.start.clone(), sample.stop.clone()), edges);
        assert_eq!(sample.losses.threads_untracked, 0);
        assert!(!sample.threads.is_empty());
        assert_adds_up(&sample);
    }
}

#[test]
fn a_window_that_could_not_be_read_can_be_discarded() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let session = CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        ..Options::default()
    })
    .unwrap();
    session.start(Some(2_000_000)).unwrap();
    session.wait().unwrap();
    limit_files(Some(0));
    let refused = session.read();
    limit_files(None);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Io);
    session.discard().unwrap();
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);
    session.start(Some(2_000_000)).unwrap();
    session.wait().unwrap();
    session.read().unwrap();
}

/// A trigger.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn kdelay_test_limits(value: u64) -> u64 {
    std::hint::black_box(value)
}

fn come_and_go(threads: usize) {
    for _ in 0..threads {
        std::thread::spawn(|| {}).join().unwrap();
    }
}

/// What a window says in the middle of which files could not be opened. False: the harvester opened none just then.
fn goes_on_after_a_failure() -> bool {
    const RECORDS: u32 = 3072;
    /// Some crowds.
    const FAILING: usize = 1000;
    /// Far more than there are records for.
    const LATER: usize = 8000;
    let session = CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        thread_capacity: Some(RECORDS),
        start_trigger: Some("up:kdelay_test_limits".to_owned()),
        ..Options::default()
    })
    .unwrap();
    session.start(None).unwrap();
    // No more than there are; `poll` refuses to look at more than may be open.
    limit_files(Some(3));
    // It is to look who was stopped as the window opened.
    kdelay_test_limits(1);
    come_and_go(FAILING);
    limit_files(None);
    come_and_go(LATER);
    session.stop().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
    let told = session.read();
    let has_failed = told.is_err();
    let sample = told.unwrap_or_else(|failed| {
        let errno = failed.cause.unwrap().errno;
        assert_eq!((failed.kind, errno), (ErrorKind::Io, Some(libc::EMFILE)));
        // Told once.
        session.read().unwrap()
    });
    // Where kdelay has no CPU for long, some of them find no record. But these are more than there are if no later crowd gives back its.
    let ended = sample.threads.iter().filter(|thread| thread.exited);
    let ended = ended.count();
    assert!(ended > FAILING + RECORDS as usize, "{ended}");
    has_failed
}

#[test]
fn the_harvester_goes_on_with_later_crowds_when_it_has_failed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!((0..20).any(|_| goes_on_after_a_failure()));
}
