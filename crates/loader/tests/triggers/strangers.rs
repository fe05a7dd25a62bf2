//! Triggers in a process that has ended, and whose pid a stranger has got.

use std::sync::Arc;

use loader::error::ErrorKind;
use loader::session::triggers::Triggers;
use loader::targets::identity::Process;

use crate::stranger::{Stranger, sleeper};
use crate::{alone, options};

/// A stranger, which has this program's functions, is born with the pid of a process that is held. False: there was none.
fn is_left_alone() -> bool {
    let mut target = sleeper();
    let process = Arc::new(Process::open(target.id()).unwrap());
    let resolve = |function| {
        let trigger = options(Some(function), None);
        Triggers::resolve(&[Arc::clone(&process)], &trigger).map(|triggers| triggers.start)
    };
    let error = resolve("up:kdelay_test_begin").err().unwrap();
    assert_eq!(error.kind, ErrorKind::NoSuchProbe, "{error}");
    target.kill().unwrap();
    target.wait().unwrap();
    let Some(stranger) = Stranger::with_pid(target.id()) else {
        return false;
    };
    let by_its_pid = Arc::new(Process::open(stranger.pid()).unwrap());
    let of_stranger = options(Some("up:kdelay_test_begin"), None);
    assert!(Triggers::resolve(&[by_its_pid], &of_stranger).is_ok());
    let error = resolve("up:kdelay_test_begin").err().unwrap();
    assert_eq!(error.kind, ErrorKind::ProcessEnded, "{error}");
    true
}

#[test]
fn a_trigger_is_not_found_in_a_stranger_that_has_the_process_s_pid() {
    let _alone = alone();
    assert!((0..20).any(|_| is_left_alone()));
}
