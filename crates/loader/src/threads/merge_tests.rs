use std::collections::HashMap;

use abi::thread::record::Activity;
use abi::thread::state::SwitchOut;

use super::{Events, merged, with_seen};
use crate::sample::{Budget, Start, Stop, StopReason, Thread};
use crate::threads::seen::{FirstEvent, SeenThread};
use crate::threads::test_records::{Event, Recorded, empty_record};

/// No process has these pids, so that nothing is found in /proc.
const GONE: u32 = 0x7fff_fff0;

const START: Start = Start {
    at_ns: 1_000,
    wall_ns: 0,
    by: None,
    triggers_missed: 0,
};
const STOP: Stop = Stop {
    at_ns: 2_000,
    reason: StopReason::Time,
    by: None,
};

fn seen(tid: u32, events: &[(u64, Event)]) -> SeenThread {
    let mut seen = Recorded::of(1_000, events).seen(2_000, false);
    (seen.thread.pid, seen.thread.tid) = (GONE, tid);
    seen
}

fn running(tid: u32) -> SeenThread {
    seen(tid, &[(1_100, Event::Enter(0)), (1_200, Event::Exit)])
}

fn first(tid: u32, activity: Activity) -> ((u32, u32), FirstEvent) {
    let first = FirstEvent {
        pid: GONE,
        tid,
        activity,
        ..FirstEvent::of(&empty_record(0))
    };
    ((GONE, tid), first)
}

fn idle(tid: u32) -> Thread {
    let mut thread = crate::threads::all_along::without_events(GONE, tid, "idle".to_owned(), 1_000);
    (thread.budget.unknown_ns, thread.budget.stopped_ns) = (0, 1_000);
    thread
}

#[test]
fn each_thread_is_there_once_by_what_is_known_best() {
    let firsts = HashMap::from([first(1, Activity::User), first(2, Activity::Blocked)]);
    let mut threads = merged(
        vec![running(1)],
        firsts,
        vec![idle(1), idle(2), idle(3)],
        &[],
        (&START, &STOP),
        Events::All,
    );
    threads.sort_by_key(|thread| thread.tid);
    let tids: Vec<u32> = threads.iter().map(|thread| thread.tid).collect();
    assert_eq!(tids, [1, 2, 3]);
    assert_eq!(threads[0].syscalls[0].count, 1);
    assert_eq!(threads[1].budget.blocked_ns, 1_000);
    assert_eq!(threads[2].budget.stopped_ns, 1_000);
}

#[test]
fn the_number_of_a_thread_that_has_ended_may_be_another_s() {
    let ended = seen(
        1,
        &[
            (1_100, Event::Enter(0)),
            (1_200, Event::Exiting),
            (1_300, Event::Out(SwitchOut::Dead)),
        ],
    );
    let threads = merged(
        vec![ended],
        HashMap::new(),
        vec![idle(1)],
        &[],
        (&START, &STOP),
        Events::All,
    );
    assert_eq!(threads.len(), 2);
    assert!(threads[0].exited && !threads[1].exited);
}

#[test]
fn a_thread_that_exits_in_the_next_window_is_there_once() {
    let with_next = |start_time_ns| {
        let mut exiting = seen(1, &[(1_100, Event::Enter(0)), (1_200, Event::Exiting)]);
        exiting.first.start_time_ns = 70;
        let (key, mut next) = first(1, Activity::ReadyUnknown);
        next.start_time_ns = start_time_ns;
        let firsts = HashMap::from([(key, next)]);
        merged(
            vec![exiting],
            firsts,
            Vec::new(),
            &[],
            (&START, &STOP),
            Events::All,
        )
        .len()
    };
    assert_eq!(with_next(70), 1);
    assert_eq!(with_next(71), 2, "another thread has got its number");
}

#[test]
fn where_events_were_lost_nothing_is_made_up() {
    let firsts = HashMap::from([first(2, Activity::Blocked)]);
    let (seen, idle) = (vec![running(1)], vec![idle(3)]);
    let mut threads = merged(seen, firsts, idle, &[], (&START, &STOP), Events::SomeLost);
    threads.sort_by_key(|thread| thread.tid);
    assert_eq!(threads[0].syscalls[0].count, 1);
    for thread in &threads[1..] {
        let Budget {
            unknown_ns,
            wall_ns,
            ..
        } = thread.budget;
        assert_eq!((unknown_ns, wall_ns), (1_000, 1_000), "{thread:?}");
        assert!(thread.syscalls.is_empty(), "{thread:?}");
    }
}

#[test]
fn processes_come_in_the_order_of_their_beginnings() {
    let of = |pid: u32, begin_ns: u64| {
        let mut seen = running(1);
        seen.thread.pid = pid;
        seen.begin_ns = begin_ns;
        seen
    };
    let seen = [of(30, 3_000), of(20, 2_000), of(30, 1_500)];
    assert_eq!(with_seen(vec![20, 40], &seen), [30, 20, 40]);
}
