//! Sessions: calls in an order that makes no sense, closing at any time, and processes that cannot be monitored.

use std::sync::Arc;
use std::time::Duration;

use loader::error::ErrorKind;
use loader::options::AttachMode;
use loader::options::Options;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use super::open;

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
