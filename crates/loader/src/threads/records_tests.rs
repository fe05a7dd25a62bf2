use std::ptr;

use abi::thread::record::{Activity, ThreadRecord};
use abi::thread::state::SwitchOut;

use super::{count_open_poll, one_per_thread};
use crate::threads::test_records::{Event, Recorded, key};

fn pointers(records: &mut [ThreadRecord]) -> Vec<*mut ThreadRecord> {
    records.iter_mut().map(ptr::from_mut).collect()
}

fn record(task: u64, slot: u32, events: &[(u64, Event)]) -> ThreadRecord {
    let mut record = Recorded::of(1_000, events).record;
    (record.task, record.slot, record.start_time_ns) = (task, slot, 5);
    record
}

#[test]
fn a_twin_is_no_thread_of_its_own_and_its_interrupts_are_the_thread_s() {
    let irq = [(1_050, Event::HardIrq { lasts_ns: 30 })];
    let events = [(1_100, Event::In), (1_200, Event::Out(SwitchOut::Blocked))];
    for is_first in [true, false] {
        let mut records = [
            record(1, 10, &irq),
            record(1, 11, &events),
            record(2, 12, &events),
        ];
        if !is_first {
            records.swap(0, 1);
        }
        let threads = one_per_thread(&pointers(&mut records));
        assert_eq!(threads.len(), 2);
        let (thread, twin) = &threads[0];
        assert_eq!((thread.slot, *twin), (11, Some(10)));
        assert_eq!(
            (thread.activity, thread.hard_irq_ns),
            (Activity::Blocked, 30)
        );
        assert_eq!((threads[1].0.slot, threads[1].1), (12, None));
    }
}

#[test]
fn another_thread_in_the_same_memory_is_no_twin() {
    let events = [(1_100, Event::In)];
    let mut records = [record(1, 10, &events), record(1, 11, &events)];
    records[1].start_time_ns = 6;
    assert_eq!(one_per_thread(&pointers(&mut records)).len(), 2);
}

#[test]
fn of_two_that_a_switch_made_the_one_that_went_on_is_the_thread() {
    let short = [(1_100, Event::In)];
    let long = [(1_100, Event::In), (1_500, Event::Out(SwitchOut::Runnable))];
    let mut records = [record(1, 10, &short), record(1, 11, &long)];
    let threads = one_per_thread(&pointers(&mut records));
    assert_eq!(
        (threads.len(), threads[0].0.slot, threads[0].1),
        (1, 11, Some(10))
    );
}

#[test]
fn a_poll_that_is_open_at_the_end_ends_the_time_since_the_one_before() {
    let poll = libc::SYS_ppoll;
    let mut thread = record(1, 10, &[(1_500, Event::Enter(poll))]);
    thread.polled_ns = 1_200;
    count_open_poll(&mut thread, Some((key(poll), 500)));
    assert_eq!(
        (thread.long_poll.count, thread.long_poll.total_ns),
        (1, 300)
    );
    let mut thread = record(1, 10, &[(1_500, Event::Enter(libc::SYS_read))]);
    thread.polled_ns = 1_200;
    count_open_poll(&mut thread, Some((key(libc::SYS_read), 500)));
    assert_eq!(thread.long_poll.count, 0);
}
