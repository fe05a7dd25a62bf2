//! Every kind of trigger as start, as stop, and as both.

use std::ops::RangeInclusive;
use std::path::Path;

use loader::error::ErrorKind;
use loader::kernel::clock::monotonic_ns;
use loader::kernel::own_thread::own_tid;
use loader::options::Options;
use loader::options::TriggerScope;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;
use probe::probe;

use crate::functions::{kdelay_test_begin, kdelay_test_end};
use crate::support::{assert_adds_up, assert_count};
use crate::{alone, getppid, options, own};

/// A kind at one end of a window: its text, and how this thread fires it.
struct Trigger {
    text: String,
    fire: fn(),
}

struct Kind {
    start: Trigger,
    stop: Trigger,
    is_available: bool,
}

#[inline(never)]
fn pass_start_probe() {
    probe!(kdelay_test, start);
}

#[inline(never)]
fn pass_stop_probe() {
    probe!(kdelay_test, stop);
}

/// What no other thread of this process does.
fn set_timer() {
    let none = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
    };
    // SAFETY: a whole value to be read, and nowhere to write the one before.
    unsafe { libc::setitimer(libc::ITIMER_VIRTUAL, &raw const none, std::ptr::null_mut()) };
}

/// A signal that is ignored unless a program asks for it.
fn signal_oneself() {
    // SAFETY: this very thread, and a signal that is ignored.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), own_tid(), libc::SIGURG) };
}

fn getpgid() {
    // SAFETY: getpgid has no preconditions.
    unsafe { libc::syscall(libc::SYS_getpgid, 0) };
}

fn getsid() {
    // SAFETY: getsid has no preconditions.
    unsafe { libc::syscall(libc::SYS_getsid, 0) };
}

fn kinds() -> Vec<Kind> {
    let kind = |start: (&str, fn()), stop: (&str, fn()), is_available| {
        let [start, stop] = [start, stop].map(|(text, fire)| Trigger {
            text: text.to_owned(),
            fire,
        });
        Kind {
            start,
            stop,
            is_available,
        }
    };
    let call = |kind: &str, name: &str| match std::env::consts::ARCH {
        "aarch64" => format!("{kind}:__arm64_sys_{name}"),
        _ => format!("{kind}:__x64_sys_{name}"),
    };
    let of_kernel = |spelling: &str| {
        kind(
            (&call(spelling, "getpgid"), getpgid),
            (&call(spelling, "getsid"), getsid),
            Path::new("/sys/bus/event_source/devices/kprobe").exists(),
        )
    };
    let of_user = |spelling: &str| {
        kind(
            (&format!("{spelling}:kdelay_test_begin"), || {
                kdelay_test_begin(1);
            }),
            (&format!("{spelling}:kdelay_test_end"), || {
                kdelay_test_end(1);
            }),
            true,
        )
    };
    vec![
        kind(
            ("u:kdelay_test:start", pass_start_probe),
            ("u:kdelay_test:stop", pass_stop_probe),
            true,
        ),
        kind(
            ("t:timer:itimer_state", set_timer),
            ("t:signal:signal_generate", signal_oneself),
            true,
        ),
        of_kernel("k"),
        of_kernel("kr"),
        of_user("up"),
        of_user("ur"),
    ]
}

/// Opens a session on this process, or sees that the kernel's lack of a kind is said.
fn open(start: Option<&Kind>, stop: Option<&Kind>) -> Option<CaptureSession> {
    let opened = CaptureSession::open(&Options {
        // The kernel's are everyone's.
        trigger_scope: TriggerScope::Target,
        ..options(
            start.map(|kind| kind.start.text.as_str()),
            stop.map(|kind| kind.stop.text.as_str()),
        )
    });
    if [start, stop]
        .into_iter()
        .flatten()
        .all(|kind| kind.is_available)
    {
        return Some(opened.unwrap());
    }
    assert_eq!(opened.err().unwrap().kind, ErrorKind::KernelUnsupported);
    None
}

/// Fires, and says when that was.
fn fire(trigger: &Trigger) -> RangeInclusive<u64> {
    let before_ns = monotonic_ns();
    (trigger.fire)();
    before_ns..=monotonic_ns()
}

#[test]
fn every_kind_opens_a_window_of_the_given_length() {
    let _alone = alone();
    for kind in kinds() {
        let Some(session) = open(Some(&kind), None) else {
            continue;
        };
        session.start(Some(2_000_000)).unwrap();
        (kind.stop.fire)();
        assert!(session.open_window().is_none(), "{}", kind.start.text);
        let opened_ns = fire(&kind.start);
        assert_eq!(session.wait().unwrap(), StopReason::Time);
        let sample = session.read().unwrap();
        assert!(
            opened_ns.contains(&sample.start.at_ns),
            "{}",
            kind.start.text
        );
        assert_eq!(sample.stop.at_ns - sample.start.at_ns, 2_000_000);
        assert_eq!(sample.start.by.as_ref().unwrap().tid, own_tid());
        assert!(sample.stop.by.is_none());
        assert_adds_up(&sample);
    }
}

#[test]
fn every_kind_closes_a_window_that_was_opened_at_once() {
    let _alone = alone();
    for kind in kinds() {
        let Some(session) = open(None, Some(&kind)) else {
            continue;
        };
        session.start(None).unwrap();
        (kind.start.fire)();
        getppid(6);
        let closed_ns = fire(&kind.stop);
        getppid(3);
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        let sample = session.read().unwrap();
        assert!(closed_ns.contains(&sample.stop.at_ns), "{}", kind.stop.text);
        assert_count(&sample, own(&sample), "getppid", 6, &kind.stop.text);
        assert!(sample.start.by.is_none());
        assert_eq!(sample.stop.by.as_ref().unwrap().tid, own_tid());
        assert_adds_up(&sample);
    }
}

#[test]
fn every_kind_opens_what_its_like_or_another_closes() {
    let _alone = alone();
    let kinds = kinds();
    let others = kinds.iter().cycle().skip(1);
    let pairs = kinds.iter().zip(&kinds).chain(kinds.iter().zip(others));
    for (first, last) in pairs {
        let pair = format!("{} to {}", first.start.text, last.stop.text);
        let Some(session) = open(Some(first), Some(last)) else {
            continue;
        };
        session.start(None).unwrap();
        getppid(4);
        (last.stop.fire)();
        let opened_ns = fire(&first.start);
        getppid(10);
        let closed_ns = fire(&last.stop);
        getppid(5);
        assert_eq!(session.wait().unwrap(), StopReason::Trigger, "{pair}");
        let sample = session.read().unwrap();
        assert!(opened_ns.contains(&sample.start.at_ns), "{pair}");
        assert!(closed_ns.contains(&sample.stop.at_ns), "{pair}");
        assert_count(&sample, own(&sample), "getppid", 10, &pair);
        for by in [&sample.start.by, &sample.stop.by] {
            assert_eq!(by.as_ref().unwrap().tid, own_tid(), "{pair}");
        }
        assert_eq!(sample.losses.triggers_missed, 0, "{pair}");
        assert_adds_up(&sample);
    }
}
