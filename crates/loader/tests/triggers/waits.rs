//! Triggers that do not fire, are called off, or fire in another task.

use loader::error::ErrorKind;
use loader::options::Options;
use loader::options::TriggerScope;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use crate::functions::{kdelay_test_never, kdelay_test_race};
use crate::support::assert_count;
use crate::{alone, getppid, open, options, own};

#[test]
fn a_trigger_that_does_not_fire_is_given_up() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_never"), None);
    session.start(Some(1_000_000)).unwrap();
    let reason = session.wait_for_triggers(Some(30_000_000)).unwrap();
    assert_eq!(reason, StopReason::Timeout);
    assert!(session.closed_window().is_none());
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);

    let session = open(None, Some("up:kdelay_test_never"));
    session.start(None).unwrap();
    getppid(3);
    let reason = session.wait_for_triggers(Some(30_000_000)).unwrap();
    assert_eq!(reason, StopReason::Timeout);
    let sample = session.read().unwrap();
    assert!(sample.stop.at_ns - sample.start.at_ns >= 30_000_000);
    assert_count(&sample, own(&sample), "getppid", 3, "given up");
    // Nothing waits for it any more.
    kdelay_test_never(1);
}

#[test]
fn stopping_takes_back_what_is_armed() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_race"), None);
    session.start(Some(1_000_000)).unwrap();
    session.start(Some(1_000_000)).unwrap();
    session.stop().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
    assert!(session.closed_window().is_none());
    kdelay_test_race(1);
    assert!(session.open_window().is_none());
    session.start(Some(1_000_000)).unwrap();
    kdelay_test_race(1);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    session.read().unwrap();
}

#[test]
fn a_tracepoint_fires_in_any_task_or_in_the_targets_only() {
    let _alone = alone();
    for scope in [TriggerScope::Any, TriggerScope::Target] {
        let session = CaptureSession::open(&Options {
            trigger_scope: scope,
            ..options(Some("t:sched:sched_process_exec"), None)
        })
        .unwrap();
        session.start(Some(1_000_000)).unwrap();
        // Its exec is another process's: of the child that std forks.
        std::process::Command::new("true").status().unwrap();
        let reason = session.wait_for_triggers(Some(100_000_000)).unwrap();
        match scope {
            TriggerScope::Any => {
                assert_eq!(reason, StopReason::Time);
                let by = session.read().unwrap().start.by.unwrap();
                assert_ne!(by.pid, std::process::id());
            }
            TriggerScope::Target => assert_eq!(reason, StopReason::Timeout),
        }
    }
}

#[test]
fn the_end_of_the_target_ends_the_wait() {
    let _alone = alone();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let session = CaptureSession::open(&Options {
        pids: vec![child.id()],
        start_trigger: Some("t:sched:sched_process_fork".to_owned()),
        trigger_scope: TriggerScope::Target,
        ..Options::default()
    })
    .unwrap();
    session.start(Some(1_000_000)).unwrap();
    child.kill().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Exit);
    assert!(session.closed_window().is_none());
    child.wait().unwrap();
}
