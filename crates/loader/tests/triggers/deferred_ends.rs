//! Ends of windows that come while somebody else changes windows, and is halted in it: as a preempted program is, or a virtual CPU.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::sync::atomic::{AtomicBool, Ordering};

use aya::maps::{Map, MapData, MapError, Queue};

use loader::kernel::clock::monotonic_ns;
use loader::sample::StopReason;

use crate::functions::{kdelay_test_begin, kdelay_test_end, kdelay_test_leave};
use crate::support::assert_adds_up;
use crate::{alone, open};

/// What whoever changes windows takes for that time, of this process's latest session: an earlier one may still be closing.
fn right_to_change() -> Queue<MapData, u32> {
    let maps = fs::read_dir("/proc/self/fdinfo").unwrap();
    // A descriptor may be closed meanwhile.
    let id_of = |file: DirEntry| -> Option<u32> {
        let text = fs::read_to_string(file.path()).ok()?;
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"))?;
        id.trim().parse().ok()
    };
    let ids: BTreeSet<u32> = maps.filter_map(|file| id_of(file.unwrap())).collect();
    let is_right = |map: &MapData| map.info().unwrap().name() == b"CHANGE";
    let map = ids
        .into_iter()
        .rev()
        .filter_map(|id| MapData::from_id(id).ok())
        .find(is_right)
        .unwrap();
    Map::from_map_data(map).unwrap().try_into().unwrap()
}

fn take(change: &mut Queue<MapData, u32>) {
    while let Err(error) = change.pop(0) {
        assert!(matches!(error, MapError::ElementNotFound), "{error}");
    }
}

static INSIDE: AtomicBool = AtomicBool::new(false);
static GO: AtomicBool = AtomicBool::new(false);

extern "C" fn stay_inside() {
    INSIDE.store(true, Ordering::Release);
    while !GO.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
}

#[test]
fn a_call_that_ends_while_windows_are_being_changed_ends_its_window_at_once() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_leave"), Some("ur:kdelay_test_leave"));
    let mut change = right_to_change();
    session.start(None).unwrap();
    let caller = std::thread::spawn(|| kdelay_test_leave(stay_inside));
    while !INSIDE.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    take(&mut change);
    let before_ns = monotonic_ns();
    GO.store(true, Ordering::Release);
    caller.join().unwrap();
    let after_ns = monotonic_ns();
    assert!(session.closed_window().is_none());
    change.push(0, 0).unwrap();
    // Whoever changes windows next tells of this one's end first.
    session.start(None).unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!((before_ns..=after_ns).contains(&sample.stop.at_ns));
    let caller_tid = sample.start.by.as_ref().unwrap().tid;
    assert_eq!(sample.stop.by.as_ref().unwrap().tid, caller_tid);
    assert_eq!(sample.losses.triggers_missed, 0);
    assert_adds_up(&sample);
}

#[test]
fn the_first_of_several_stops_while_windows_are_being_changed_closes_the_window() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    let mut change = right_to_change();
    session.start(None).unwrap();
    kdelay_test_begin(0);
    take(&mut change);
    let before_ns = monotonic_ns();
    kdelay_test_end(0);
    let after_ns = monotonic_ns();
    // These come too late.
    for _ in 0..20 {
        kdelay_test_end(0);
    }
    change.push(0, 0).unwrap();
    session.start(None).unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!((before_ns..=after_ns).contains(&sample.stop.at_ns));
    assert_eq!(sample.losses.triggers_missed, 0);
    assert_adds_up(&sample);
    // The next window is not theirs.
    kdelay_test_begin(0);
    let before_ns = monotonic_ns();
    kdelay_test_end(0);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let next = session.read().unwrap();
    assert!(next.start.at_ns >= after_ns && next.stop.at_ns >= before_ns);
    assert_eq!(next.losses.triggers_missed, 0);
}
