//! Timelines of threads that are halted as the window opens.

use abi::thread::record::{SyscallPhase, ThreadRecord};
use abi::thread::state::SwitchOut::{Blocked, Runnable, Stopped};
use libc::{SYS_exit_group as EXIT_GROUP, SYS_futex as FUTEX, SYS_read as READ};
use proptest::prelude::*;

use crate::sample::Thread;
use crate::targets::stopped::Halt;
use crate::threads::test_records::{Event, Recorded, budget_sum};

use Event::{Enter, Exit, Exiting, In, Out, Wakeup};

/// What registers say as a record is made.
#[derive(Clone, Copy, Debug)]
enum Registers {
    Inside(i64),
    /// They are not handed over.
    Unknown,
}

fn recorded(registers: Registers, events: &[(u64, Event)]) -> Recorded {
    let mut recorded = Recorded::new(1_000);
    if let Registers::Inside(number) = registers {
        recorded = recorded.inside(number);
    }
    for &(at_ns, event) in events {
        recorded.apply(event, at_ns);
    }
    recorded
}

/// By call, in the order of their names: time blocked, and stopped or frozen.
fn waits(thread: &Thread) -> Vec<(String, i64, i64)> {
    let of = thread.syscalls.iter();
    let mut waits: Vec<_> = of
        .map(|call| (call.name(), call.blocked_ns, call.stopped_ns))
        .collect();
    waits.sort();
    waits
}

fn named(expected: &[(&str, i64, i64)]) -> Vec<(String, i64, i64)> {
    let of = expected.iter();
    of.map(|&(name, blocked_ns, stopped_ns)| (name.to_owned(), blocked_ns, stopped_ns))
        .collect()
}

#[test]
fn stopped_since_before_the_window_is_not_blocked() {
    let mut recorded = Recorded::new(1_000).inside(FUTEX);
    for (at_ns, event) in [(1_300, Wakeup), (1_310, In), (1_350, Exit)] {
        recorded.apply(event, at_ns);
    }
    let thread = recorded.seen(2_000, true).thread;
    assert_eq!(
        (thread.budget.blocked_ns, thread.budget.stopped_ns),
        (0, 300)
    );
    assert_eq!(thread.stopped.clipped_ns, 300);
    let futex = &thread.syscalls[0];
    assert_eq!((futex.blocked_ns, futex.stopped_ns), (0, 300));
}

#[test]
fn stopped_in_user_code_is_no_call_s_time() {
    let events = [
        (1_100, Wakeup),
        (1_110, In),
        (1_120, Enter(READ)),
        (1_130, Out(Blocked)),
        (1_330, Wakeup),
        (1_330, In),
        (1_340, Exit),
    ];
    let thread = Recorded::of(1_000, &events).seen(2_000, true).thread;
    // 0 is a call's number, too.
    assert_eq!(
        (thread.syscalls[0].blocked_ns, thread.syscalls[0].stopped_ns),
        (200, 0)
    );
    assert_eq!(
        (thread.budget.blocked_ns, thread.budget.stopped_ns),
        (200, 100)
    );
}

#[test]
fn a_stop_before_the_first_wakeup_leaves_no_negative_time() {
    // The wakeup came when the window was over already: another CPU has seen that late.
    let thread = Recorded::of(1_000, &[(1_300, Wakeup)])
        .seen(1_200, true)
        .thread;
    assert_eq!(
        (thread.budget.blocked_ns, thread.budget.stopped_ns),
        (0, 200)
    );
    assert_eq!(budget_sum(&thread.budget), 200);
}

/// It goes on, and back into the call that it was halted in: that is another call, in which it waits until the window ends.
#[test]
fn a_call_that_is_begun_again_keeps_what_it_waited() {
    let events = [
        (1_446, Wakeup),
        (1_450, In),
        (1_460, Enter(READ)),
        (1_470, Out(Blocked)),
    ];
    for (halt, halted) in [(Halt::Stop, (446, 0)), (Halt::Freezer, (0, 446))] {
        let seen = recorded(Registers::Inside(READ), &events).halted(2_000, Some(halt));
        let budget = &seen.thread.budget;
        assert_eq!((budget.stopped_ns, budget.frozen_ns), halted);
        assert_eq!(budget.blocked_ns, 530);
        assert_eq!(waits(&seen.thread), named(&[("read", 530, 0)]));
        assert_eq!(seen.thread.faults.blocked_ns, 0);
    }
}

#[test]
fn a_call_that_goes_on_was_halted() {
    // It ends, and the next one of the same kind has waits of its own.
    let events = [
        (1_300, Wakeup),
        (1_310, In),
        (1_320, Exit),
        (1_330, Enter(READ)),
        (1_340, Out(Blocked)),
    ];
    for registers in [Registers::Inside(READ), Registers::Unknown] {
        let thread = recorded(registers, &events).seen(2_000, true).thread;
        assert_eq!(waits(&thread), named(&[("read", 660, 300)]));
        assert_eq!(
            (thread.budget.blocked_ns, thread.budget.stopped_ns),
            (660, 300)
        );
    }
    // It goes on until the window ends, or until the thread does.
    let goes_on = [(1_300, Wakeup), (1_310, In), (1_320, Out(Blocked))];
    let thread = recorded(Registers::Inside(READ), &goes_on)
        .seen(2_000, true)
        .thread;
    assert_eq!(waits(&thread), named(&[("read", 680, 300)]));
    let is_killed = [(1_300, Wakeup), (1_310, In), (1_320, Exiting)];
    let thread = recorded(Registers::Inside(READ), &is_killed)
        .seen(2_000, true)
        .thread;
    assert_eq!(waits(&thread), named(&[("read", 0, 300)]));
}

#[test]
fn a_call_that_only_its_end_tells_is_not_another_one_of_which_the_end_was_cut() {
    let events = [
        (1_300, Wakeup),
        (1_310, In),
        (1_320, Exit),
        (1_330, Enter(FUTEX)),
        (1_340, Out(Blocked)),
        (1_840, Wakeup),
        (1_840, In),
        (1_850, Exit),
        (1_860, Enter(EXIT_GROUP)),
        (1_870, Exiting),
    ];
    let thread = recorded(Registers::Unknown, &events)
        .seen(2_000, true)
        .thread;
    assert_eq!(
        waits(&thread),
        named(&[("exit_group", 0, 0), ("futex", 500, 0), ("read", 0, 300)])
    );
}

#[test]
fn what_is_still_to_be_found_out_was_halted_too() {
    let events = [(1_300, Wakeup), (1_310, In), (1_320, Out(Blocked))];
    let seen = recorded(Registers::Unknown, &events).seen(2_000, true);
    assert!(seen.needs_syscall);
    assert_eq!(
        (seen.unattributed.blocked_ns, seen.unattributed.stopped_ns),
        (680, 300)
    );
    // Its waker made the record, and nothing more came of it in the window.
    let seen = recorded(Registers::Unknown, &[]).seen(2_000, true);
    assert_eq!(
        (seen.unattributed.blocked_ns, seen.unattributed.stopped_ns),
        (0, 1_000)
    );
    let thread = recorded(Registers::Inside(READ), &[])
        .seen(2_000, true)
        .thread;
    assert_eq!(waits(&thread), named(&[("read", 0, 1_000)]));
}

/// What can follow, by the thread's present state.
fn possible(record: &ThreadRecord, choice: u8) -> Event {
    if !record.activity.is_on_cpu() {
        return goes_on(record);
    }
    if record.phase == SyscallPhase::Exiting {
        return Out(Blocked);
    }
    // A call of which only the registers tell may be over, and one may be open of which they tell nothing.
    let is_in_call = record.phase == SyscallPhase::Inside;
    let may_begin = !is_in_call || record.syscall_since_ns == 0;
    let may_end = is_in_call || record.phase == SyscallPhase::Unknown;
    match choice {
        0 => Out(Runnable),
        1 => Out(Blocked),
        2 => Out(Stopped),
        3 => Exiting,
        4 | 5 if may_end => Exit,
        4 | 6 if may_begin => Enter(READ),
        _ if may_begin => Enter(FUTEX),
        _ => Exit,
    }
}

fn goes_on(record: &ThreadRecord) -> Event {
    if record.activity.is_ready() {
        In
    } else {
        Wakeup
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// As if the window had seen it being halted, right after its start: by thread, and by call.
    #[test]
    fn a_halt_is_the_same_whether_the_window_saw_its_beginning(
        number in prop::option::of(prop::sample::select(vec![READ, FUTEX])),
        halted_ns in 1u64..10_000,
        choices in prop::collection::vec((0u8..8, 0u64..10_000), 0..30),
        last_ns in 1u64..10_000,
    ) {
        let registers = number.map_or(Registers::Unknown, Registers::Inside);
        let mut now_ns = 1_000 + halted_ns;
        let mut timeline = vec![(now_ns, Wakeup)];
        let mut unseen = recorded(registers, &timeline);
        for (choice, step_ns) in choices {
            now_ns += step_ns;
            let event = possible(&unseen.record, choice);
            unseen.apply(event, now_ns);
            timeline.push((now_ns, event));
        }
        timeline.splice(0..0, [(1_000, In), (1_000, Out(Stopped))]);
        let seen = recorded(registers, &timeline).seen(now_ns + last_ns, false);
        let unseen = unseen.seen(now_ns + last_ns, true);
        prop_assert_eq!(waits(&unseen.thread), waits(&seen.thread));
        prop_assert_eq!(&unseen.thread.budget, &seen.thread.budget);
        prop_assert_eq!(unseen.thread.faults.blocked_ns, seen.thread.faults.blocked_ns);
        if unseen.needs_syscall {
            prop_assert_eq!(unseen.unattributed, seen.unattributed);
        }
    }
}
