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
