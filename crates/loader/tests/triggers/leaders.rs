//! Triggers in a process whose leader has ended, or whose threads come and go.

use loader::options::Options;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use crate::functions::kdelay_test_relay;
use crate::relay::Relay;
use crate::{alone, options};

/// Far more than attaching anew takes; a trigger that is gone ends the wait, and the test.
const LONG_NS: u64 = 20_000_000_000;

fn open(relay: &Relay) -> CaptureSession {
    CaptureSession::open(&Options {
        pids: vec![relay.pid],
        ..options(Some("up:kdelay_test_relay"), None)
    })
    .unwrap()
}

/// The trigger fires in the thread that runs now.
fn assert_fires(session: &CaptureSession, relay: &Relay) {
    session.start(Some(1_000_000)).unwrap();
    let reason = session.wait_for_triggers(Some(LONG_NS)).unwrap();
    assert_eq!(reason, StopReason::Time);
    let by = session.read().unwrap().start.by.unwrap();
    assert_eq!((by.pid, by.tid), (relay.pid, relay.runner_tid()));
}

#[test]
fn a_trigger_is_attached_where_the_leader_has_ended() {
    let _alone = alone();
    let relay = Relay::new(kdelay_test_relay);
    relay.end_leader();
    assert_fires(&open(&relay), &relay);
}

#[test]
fn a_trigger_outlives_the_leader() {
    let _alone = alone();
    let relay = Relay::new(kdelay_test_relay);
    let session = open(&relay);
    assert_fires(&session, &relay);
    relay.end_leader();
    assert_fires(&session, &relay);
}

#[test]
fn a_trigger_outlives_every_thread_that_it_began_with() {
    let _alone = alone();
    let relay = Relay::new(kdelay_test_relay);
    let session = open(&relay);
    relay.end_leader();
    for _ in 0..5 {
        relay.hand_over();
        assert_fires(&session, &relay);
    }
}
