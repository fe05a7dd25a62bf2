//! Sessions: calls in an order that makes no sense, closing at any time, and processes that cannot be monitored.

use std::sync::Arc;
use std::time::Duration;

use loader::error::ErrorKind;
use loader::options::{AttachMode, IfEnded, Options};
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use super::open;
use crate::stranger::sleeper;

#[test]
fn calls_out_of_order_are_errors_and_closing_twice_is_harmless() {
    let session = open(AttachMode::Best);
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);
    assert_eq!(session.wait().unwrap_err().kind, ErrorKind::WrongState);
    session.stop().unwrap();
    session.start(None).unwrap();
    assert_eq!(session.start(None).unwrap_err().kind, ErrorKind::WrongState);
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);
    session.close().unwrap();
    session.close().unwrap();
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
    session.close().unwrap();
    assert_eq!(waiter.join().unwrap(), StopReason::Interrupt);
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
fn targets_that_have_ended_are_left_out_where_that_is_asked_for() {
    let own = std::process::id();
    let mut zombie = sleeper();
    zombie.kill().unwrap();
    let mut gone = sleeper();
    gone.kill().unwrap();
    gone.wait().unwrap();
    let ended = [zombie.id(), gone.id()];
    // It has not been waited for, so that its pid is its own; and it has become a zombie.
    let state = format!("/proc/{}/stat", zombie.id());
    while !std::fs::read_to_string(&state).unwrap().contains(") Z ") {
        std::thread::yield_now();
    }
    let open = |pids: &[u32], if_ended| {
        CaptureSession::open(&Options {
            pids: pids.to_vec(),
            if_ended,
            stop_trigger: Some("up:libc.so.6:getppid".to_owned()),
            ..Options::default()
        })
    };
    let all = [&ended[..], &[own]].concat();
    let session = open(&all, IfEnded::LeaveOut).unwrap();
    let targets = session.targets().iter();
    assert_eq!(targets.map(|target| target.pid).collect::<Vec<_>>(), [own]);
    drop(session);
    for (pids, if_ended) in [(&all[..], IfEnded::Refuse), (&ended[..], IfEnded::LeaveOut)] {
        let error = open(pids, if_ended).err().unwrap();
        assert_eq!(error.kind, ErrorKind::ProcessEnded, "{error}");
    }
    zombie.wait().unwrap();
}
