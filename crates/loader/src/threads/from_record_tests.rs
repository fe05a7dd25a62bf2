//! From timelines to threads.

use abi::thread::record::Activity;
use abi::thread::state::SwitchOut::{Blocked, Dead, Runnable, Stopped};
use libc::{SYS_futex as FUTEX, SYS_read as READ};
use proptest::prelude::*;

use crate::sample::{Budget, Thread};
use crate::threads::test_records::{Event, Recorded, budget_sum, parts_of};

use Event::{Enter, Exit, Exiting, HardIrq, In, Out, SoftIrq, Wakeup};

#[test]
fn each_activity_has_its_time() {
    let events = [
        (1_100, Enter(READ)),
        (1_200, Out(Blocked)),
        (1_500, Wakeup),
        (1_510, In),
        (1_600, Exit),
        (1_700, Out(Runnable)),
        (1_750, In),
        (1_800, Out(Stopped)),
        (1_900, Wakeup),
        (1_905, In),
        (1_910, HardIrq { lasts_ns: 20 }),
        (1_940, SoftIrq { lasts_ns: 30 }),
    ];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    let expected = Budget {
        wall_ns: 1_000,
        user_ns: 100 + 100 + 50 + 95 - 50,
        kernel_ns: 100 + 90,
        kernel_outside_calls_ns: None,
        ready_woken_ns: 10 + 5,
        ready_preempted_ns: 50,
        blocked_ns: 300,
        stopped_ns: 100,
        frozen_ns: 0,
        hard_irq_ns: 20,
        soft_irq_ns: 30,
        unknown_ns: 0,
    };
    assert_eq!(thread.budget, expected);
    let read = &thread.syscalls[0];
    assert_eq!(
        (read.name().as_str(), read.count, read.total_ns),
        ("read", 1, 500)
    );
    assert_eq!(
        (read.ready_ns, read.blocked_ns, read.stopped_ns),
        (10, 300, 0)
    );
    assert_eq!(thread.faults.blocked_ns, 0);
    assert_eq!((thread.run.count, thread.run.total_ns), (2, 190 + 50));
    assert_eq!(
        (thread.run.min_ns, thread.run.max_ns),
        (Some(50), Some(190))
    );
    assert_eq!(thread.run.clipped_ns, 200 + 95);
    let ready = &thread.ready;
    assert_eq!(
        (ready.count, ready.total_ns, ready.max_ns),
        (3, 65, Some(50))
    );
    assert_eq!((ready.woken.count, ready.preempted.count), (2, 1));
    assert_eq!((thread.stopped.count, thread.stopped.total_ns), (1, 100));
    assert_eq!(thread.soft_irqs[0].total_ns, 30);
    assert!(!thread.exited);
}

#[test]
fn what_the_edges_cut_is_clipped() {
    // Ready since before the window, and blocked in a call as it ends.
    let events = [(1_100, In), (1_150, Enter(FUTEX)), (1_200, Out(Blocked))];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    assert_eq!((thread.ready.count, thread.ready.clipped_ns), (0, 100));
    assert_eq!(thread.ready.max_ns, None);
    let futex = &thread.syscalls[0];
    assert_eq!(
        (futex.count, futex.in_flight_ns, futex.blocked_ns),
        (0, 850, 800)
    );
    // On a CPU all along, and stopped at the end.
    let events = [(1_400, Enter(READ)), (1_500, Exit), (1_600, Out(Stopped))];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    assert_eq!(
        (thread.run.count, thread.run.clipped_ns, thread.run.min_ns),
        (0, 600, None)
    );
    assert_eq!((thread.stopped.count, thread.stopped.clipped_ns), (0, 400));
}

#[test]
fn a_call_of_before_the_window_is_in_flight() {
    let mut recorded = Recorded::new(1_000).inside(READ);
    for (at_ns, event) in [(1_300, Wakeup), (1_310, In), (1_350, Exit)] {
        recorded.apply(event, at_ns);
    }
    let thread = recorded.thread(2_000);
    let read = &thread.syscalls[0];
    assert_eq!((read.count, read.in_flight_ns), (0, 350));
    assert_eq!((read.blocked_ns, read.ready_ns), (300, 10));
}

#[test]
fn blocked_outside_of_calls_is_in_page_faults() {
    let events = [
        (1_100, Enter(READ)),
        (1_200, Exit),
        (1_300, Out(Blocked)),
        (1_700, Wakeup),
        (1_710, In),
    ];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    assert_eq!(
        (thread.faults.blocked_ns, thread.budget.blocked_ns),
        (400, 400)
    );
}

/// The kernel makes it as the program comes to a function that somebody probes.
#[cfg(target_arch = "x86_64")]
#[test]
fn what_a_tracer_s_probes_call_is_no_call_of_the_thread_s() {
    const UPROBE: i64 = 336;
    let events = [
        (1_100, Enter(READ)),
        (1_200, Exit),
        (1_300, Enter(UPROBE)),
        (1_310, Out(Blocked)),
        (1_330, Wakeup),
        (1_330, In),
        (1_350, Exit),
        (1_900, Enter(UPROBE)),
    ];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    let names: Vec<_> = thread.syscalls.iter().map(|call| call.name()).collect();
    assert_eq!(names, ["read"]);
    assert_eq!(thread.budget.kernel_ns, 100 + 10 + 20 + 100);
    assert_eq!(
        (thread.budget.blocked_ns, thread.faults.blocked_ns),
        (20, 20)
    );
    assert_eq!(budget_sum(&thread.budget), 1_000);
}

#[test]
fn a_thread_that_ends_has_its_own_wall_time() {
    let events = [(1_100, Enter(READ)), (1_200, Exiting), (1_300, Out(Dead))];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    assert!(thread.exited);
    assert_eq!(
        (thread.budget.wall_ns, budget_sum(&thread.budget)),
        (300, 300)
    );
    // One that is on its way has begun to exit, too.
    let thread = Recorded::of(1_000, &events[..2]).thread(2_000);
    assert!(thread.exited && thread.budget.wall_ns == 1_000);
    // After the window's end: it lived all through it.
    let events = [(1_100, Enter(READ)), (1_200, Exit), (2_300, Out(Dead))];
    let thread = Recorded::of(1_000, &events).thread(2_000);
    assert!(!thread.exited && thread.budget.wall_ns == 1_000);
}

#[test]
fn calls_are_not_blocked_for_longer_than_their_thread() {
    let events = [
        (1_000, Enter(READ)),
        (1_010, Out(Blocked)),
        (1_100, Wakeup),
        (1_100, In),
        (1_110, Exit),
        (1_110, Enter(FUTEX)),
        (1_120, Out(Blocked)),
        (1_200, Wakeup),
        (1_200, In),
    ];
    // What was blocked after the stop is taken back, from both.
    let mut recorded = Recorded::of(1_000, &events);
    recorded.record.accumulated_ns[Activity::Blocked as usize] = 60;
    recorded.record.begin_ns = 1_110;
    let thread = recorded.thread(1_200);
    let blocked: i64 = thread.syscalls.iter().map(|call| call.blocked_ns).sum();
    assert_eq!((blocked, thread.faults.blocked_ns), (60, 0));
    assert!(thread.syscalls.iter().all(|call| call.blocked_ns >= 0));
}

#[test]
fn what_the_records_leave_open_is_said() {
    let preempted = Recorded::of(1_000, &[(1_100, In), (1_900, Out(Runnable))]).seen(2_000, false);
    assert_eq!(preempted.open_ns, 800);
    assert_eq!(preempted.thread.budget.unknown_ns, 800);
    let running = Recorded::of(1_000, &[(1_100, In)]).seen(2_000, false);
    assert!(running.needs_cpu_mode && !running.needs_syscall);
    let blocked = Recorded::of(1_000, &[(1_100, In), (1_200, Out(Blocked))]).seen(2_000, false);
    assert!(blocked.needs_syscall && !blocked.needs_cpu_mode);
    assert_eq!(blocked.unattributed.blocked_ns, 800);
}

#[test]
fn counters_that_wrapped_or_are_none_are_unknown() {
    let mut recorded = Recorded::of(1_000, &[(1_100, In), (1_200, Out(Runnable)), (1_300, In)]);
    recorded.record.run_histogram[0] += 1;
    let thread = recorded.thread(2_000);
    assert_eq!(thread.run.histogram, None);
    assert_eq!((thread.faults.minor, thread.faults.major), (None, None));
    assert_eq!(thread.long_poll.min_ns, None);
    let mut recorded = Recorded::of(1_000, &[(1_100, In)]);
    recorded.record.faults.minor = 5;
    recorded.record.faults_before.minor = 2;
    let faults = recorded.thread(2_000).faults;
    assert_eq!((faults.minor, faults.major), (Some(3), Some(0)));
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(In),
        prop_oneof![Just(Runnable), Just(Blocked), Just(Stopped)].prop_map(Out),
        Just(Wakeup),
        (0i64..6).prop_map(Enter),
        Just(Exit),
        Just(Exiting),
        (0u64..2_000).prop_map(|lasts_ns| HardIrq { lasts_ns }),
        (0u64..2_000).prop_map(|lasts_ns| SoftIrq { lasts_ns }),
    ]
}

fn check(thread: &Thread) -> Result<(), TestCaseError> {
    let budget = &thread.budget;
    prop_assert!(parts_of(budget).iter().all(|part| *part >= 0), "{budget:?}");
    prop_assert_eq!(budget_sum(budget), budget.wall_ns);
    let mut off_cpu = [0; 3];
    for call in &thread.syscalls {
        let parts = [call.ready_ns, call.blocked_ns, call.stopped_ns];
        prop_assert!(parts.iter().all(|part| *part >= 0), "{call:?}");
        let off_cpu_ns: i64 = parts.iter().sum();
        prop_assert!(off_cpu_ns <= call.total_ns + call.in_flight_ns, "{call:?}");
        off_cpu = [0, 1, 2].map(|index: usize| off_cpu[index] + parts[index]);
    }
    let [ready_ns, blocked_ns, stopped_ns] = off_cpu;
    prop_assert!(ready_ns <= budget.ready_woken_ns + budget.ready_preempted_ns);
    prop_assert_eq!(blocked_ns + thread.faults.blocked_ns, budget.blocked_ns);
    prop_assert!(stopped_ns <= budget.stopped_ns);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// Any order of events, impossible ones included, and a stop that came late.
    #[test]
    fn sums_hold_and_nothing_is_negative(
        events in prop::collection::vec((any_event(), 0u64..10_000), 0..100),
        late_ns in 0u64..20_000,
        was_stopped: bool,
        was_inside: bool,
        ends: bool,
    ) {
        let mut recorded = Recorded::new(1_000_000);
        if was_inside {
            recorded = recorded.inside(READ);
        }
        let mut now_ns = 1_020_000;
        for (event, step_ns) in events {
            now_ns += step_ns;
            recorded.apply(event, now_ns);
            if let HardIrq { lasts_ns } | SoftIrq { lasts_ns } = event {
                now_ns += lasts_ns;
            }
        }
        if ends && recorded.record.activity.is_on_cpu() {
            recorded.apply(Out(Dead), now_ns);
        }
        let seen = recorded.seen(now_ns + 1 - late_ns.min(now_ns - 1_000_000), was_stopped);
        prop_assert!(seen.open_ns >= 0 && seen.open_ns <= seen.thread.budget.unknown_ns);
        check(&seen.thread)?;
    }
}

#[test]
fn a_phase_that_is_known_needs_no_look() {
    let seen =
        Recorded::of(1_000, &[(1_100, Enter(READ)), (1_200, Out(Blocked))]).seen(2_000, false);
    assert!(!seen.needs_syscall && !seen.needs_cpu_mode);
}
