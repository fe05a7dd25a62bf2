use abi::syscall::SyscallKey;
use abi::thread::record::Activity;

use super::all_along;
use crate::sample::Thread;
use crate::threads::seen::FirstEvent;
use crate::threads::test_records::{Event, Recorded, budget_sum, empty_record, key};

fn first(activity: Activity, syscall: SyscallKey) -> FirstEvent {
    FirstEvent {
        activity,
        syscall,
        ..FirstEvent::of(&empty_record(0))
    }
}

fn parts(thread: &Thread) -> [i64; 6] {
    let budget = &thread.budget;
    [
        budget.user_ns,
        budget.kernel_ns,
        budget.ready_preempted_ns,
        budget.blocked_ns,
        budget.stopped_ns,
        budget.unknown_ns,
    ]
}

#[test]
fn a_thread_did_one_thing_all_along() {
    for (activity, index) in [
        (Activity::User, 0),
        (Activity::Kernel, 1),
        (Activity::ReadyUnknown, 2),
        (Activity::Blocked, 3),
        (Activity::Stopped, 4),
        (Activity::OnCpu, 5),
        (Activity::Unseen, 5),
    ] {
        let thread = all_along(&first(activity, SyscallKey::NONE), 500);
        let mut expected = [0; 6];
        expected[index] = 500;
        assert_eq!(parts(&thread), expected, "{activity:?}");
        assert_eq!(budget_sum(&thread.budget), thread.budget.wall_ns);
        assert!(thread.syscalls.is_empty());
        assert_eq!(thread.faults.blocked_ns, thread.budget.blocked_ns);
        let is_running = matches!(
            activity,
            Activity::User | Activity::Kernel | Activity::OnCpu
        );
        assert_eq!(thread.run.clipped_ns, if is_running { 500 } else { 0 });
        let is_ready = activity == Activity::ReadyUnknown;
        assert_eq!(thread.ready.clipped_ns, if is_ready { 500 } else { 0 });
    }
}

#[test]
fn the_call_that_it_was_in_is_in_flight_and_has_its_time() {
    let thread = all_along(&first(Activity::Blocked, key(libc::SYS_futex)), 500);
    let futex = &thread.syscalls[0];
    assert_eq!(
        (futex.name().as_str(), futex.in_flight_ns, futex.blocked_ns),
        ("futex", 500, 500)
    );
    assert_eq!(thread.faults.blocked_ns, 0);
    let thread = all_along(&first(Activity::Stopped, key(libc::SYS_futex)), 500);
    assert_eq!(thread.syscalls[0].stopped_ns, 500);
    let thread = all_along(&first(Activity::ReadyUnknown, key(libc::SYS_futex)), 500);
    assert_eq!(thread.syscalls[0].ready_ns, 500);
    // In user code the registers hold the call that begins.
    assert!(
        all_along(&first(Activity::User, key(libc::SYS_read)), 500)
            .syscalls
            .is_empty()
    );
}

#[test]
fn the_first_event_of_a_later_window_shows_what_came_before_it() {
    for (event, activity) in [
        (Event::In, Activity::ReadyUnknown),
        (Event::Wakeup, Activity::Blocked),
        (Event::Enter(libc::SYS_read), Activity::User),
        (Event::Exit, Activity::Kernel),
    ] {
        let recorded = Recorded::of(1_000, &[(1_100, event)]);
        assert_eq!(
            FirstEvent::of(&recorded.record).activity,
            activity,
            "{event:?}"
        );
    }
}
