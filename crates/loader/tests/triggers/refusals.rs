//! What cannot be a trigger.

use loader::error::ErrorKind;
use loader::session::capture::CaptureSession;

use crate::{alone, options};

#[test]
fn what_cannot_be_a_trigger_is_refused_before_anything_is_attached() {
    let _alone = alone();
    for (trigger, kind) in [
        ("up:", ErrorKind::InvalidArgument),
        ("nonsense", ErrorKind::InvalidArgument),
        ("up:kdelay_test_begim", ErrorKind::NoSuchProbe),
        ("t:sched:no_such_event", ErrorKind::NoSuchProbe),
        ("u:nobody:nothing", ErrorKind::NoSuchProbe),
    ] {
        let error = CaptureSession::open(&options(Some(trigger), None))
            .err()
            .unwrap();
        assert_eq!(error.kind, kind, "{trigger}: {error}");
        assert!(error.hint.is_some(), "{trigger}: {error}");
        assert!(!error.message.contains('\n'));
    }
    let error = CaptureSession::open(&options(Some("up:kdelay_test_begim"), None))
        .err()
        .unwrap();
    assert!(error.hint.unwrap().contains("kdelay_test_begin"));
}
