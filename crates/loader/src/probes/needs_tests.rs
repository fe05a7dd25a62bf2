use abi::thread::record::Activity;
use abi::thread::state::SwitchOut;

use super::Needs;
use crate::threads::test_records::{Event, Recorded};

const NOTHING: Needs = Needs {
    hard_irqs: false,
    off_cpu: false,
    renames: false,
};

const BORN_NS: u64 = 1_000;
const PREEMPTED: Event = Event::Out(SwitchOut::Runnable);
const BLOCKED: Event = Event::Out(SwitchOut::Blocked);
const STOPPED: Event = Event::Out(SwitchOut::Stopped);
const DEAD: Event = Event::Out(SwitchOut::Dead);

fn needs(mut recorded: Recorded, events: &[(u64, Event)]) -> Needs {
    for &(at_ns, event) in events {
        recorded.apply(event, at_ns);
    }
    Needs::of(&recorded.record)
}

/// Of a thread that was there before the window.
fn of(events: &[(u64, Event)]) -> Needs {
    needs(Recorded::new(0), events)
}

fn of_born(events: &[(u64, Event)]) -> Needs {
    let mut recorded = Recorded::new(0);
    recorded.record.born(BORN_NS);
    needs(recorded, events)
}

#[test]
fn a_thread_that_only_comes_and_goes_needs_nothing() {
    let calls = [
        (1_100, Event::In),
        (1_200, Event::Enter(libc::SYS_getppid)),
        (1_300, Event::Exit),
        (1_400, PREEMPTED),
        (1_500, Event::In),
        (1_600, Event::SoftIrq { lasts_ns: 50 }),
        (1_700, Event::Exiting),
        (1_800, DEAD),
    ];
    assert_eq!(of_born(&calls), NOTHING);
    assert_eq!(of(&calls), NOTHING);
}

#[test]
fn hard_interrupts_are_looked_for_where_there_were_any_however_short() {
    for lasts_ns in [30, 0] {
        let events = [
            (1_100, Event::In),
            (1_200, Event::HardIrq { lasts_ns }),
            (1_800, DEAD),
        ];
        let expected = Needs {
            hard_irqs: true,
            ..NOTHING
        };
        assert_eq!(of_born(&events), expected);
    }
}

#[test]
fn times_blocked_are_looked_for_where_there_were_any_however_short() {
    let blocked = Needs {
        off_cpu: true,
        ..NOTHING
    };
    for woken_ns in [1_200, 1_250] {
        let events = [
            (1_100, Event::In),
            (1_200, BLOCKED),
            (woken_ns, Event::Wakeup),
            (1_300, Event::In),
            (1_800, DEAD),
        ];
        assert_eq!(of_born(&events), blocked);
        assert_eq!(of(&events), blocked);
    }
    // Not known from the record to have been another wait.
    let stopped = [
        (1_100, Event::In),
        (1_200, STOPPED),
        (1_300, Event::Wakeup),
        (1_400, Event::In),
        (1_800, DEAD),
    ];
    assert_eq!(of_born(&stopped), blocked);
}

#[test]
fn where_a_switch_was_missed_or_came_before_its_time_nothing_is_left_out() {
    // No wakeup was seen.
    let missed = of_born(&[
        (1_100, Event::In),
        (1_200, BLOCKED),
        (1_300, Event::In),
        (1_800, DEAD),
    ]);
    assert!(missed.off_cpu);
    let negative = of_born(&[
        (1_100, Event::In),
        (1_200, BLOCKED),
        (1_300, Event::Wakeup),
        (1_250, Event::In),
        (1_800, DEAD),
    ]);
    assert!(negative.off_cpu);
}

#[test]
fn of_one_that_lives_times_blocked_and_names_are_looked_for() {
    let living = Needs {
        off_cpu: true,
        renames: true,
        ..NOTHING
    };
    let events = [(1_100, Event::In), (1_200, BLOCKED), (1_300, Event::Wakeup)];
    for count in 0..=events.len() {
        assert_eq!(of_born(&events[..count]), living);
    }
    // As an interrupt has made it.
    let unseen = Recorded::new(0).record;
    assert_eq!(unseen.activity, Activity::Unseen);
    assert_eq!(Needs::of(&unseen), living);
}
