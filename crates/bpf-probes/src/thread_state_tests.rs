//! The state machine against hand-drawn timelines, and against millions of random event orders.

use proptest::prelude::*;

use crate::abi::syscall::SyscallKey;
use crate::abi::thread::{Activity, Durations, SyscallPhase, ThreadRecord};
use crate::thread_state::{SwitchOut, SyscallEnd};

const READ: u64 = 0;
const FUTEX: u64 = 202;

fn key(number: u64) -> SyscallKey {
    SyscallKey::new(number, false)
}

fn record(begin_ns: u64) -> ThreadRecord {
    // SAFETY: all zeros is the free record: every field is an integer or an enum whose variant 0 exists.
    let mut record: ThreadRecord = unsafe { core::mem::zeroed() };
    record.begin_ns = begin_ns;
    record.since_ns = begin_ns;
    record
}

fn spent(record: &ThreadRecord, activity: Activity) -> u64 {
    record.accumulated_ns[activity as usize]
}

fn once(duration_ns: u64) -> Durations {
    Durations {
        count: 1,
        total_ns: duration_ns,
        max_ns: duration_ns,
    }
}

#[test]
fn a_call_that_blocks_is_kernel_then_blocked_then_ready() {
    // 100   110        120            150           155        160
    //  user  | futex     | blocked      | woken       | futex    | user
    let mut thread = record(100);
    thread.syscall_entered(110, key(FUTEX));
    thread.switched_out(120, || SwitchOut::Blocked);
    thread.woken(150);
    thread.switched_in(155);
    let end = thread.syscall_exited(160);
    assert_eq!(
        end,
        SyscallEnd::Whole {
            key: key(FUTEX),
            duration_ns: 50
        }
    );
    assert_eq!(thread.closed(200), None);
    assert_eq!(spent(&thread, Activity::User), 10 + 40);
    assert_eq!(spent(&thread, Activity::Kernel), 10 + 5);
    assert_eq!(spent(&thread, Activity::Blocked), 30);
    assert_eq!(spent(&thread, Activity::ReadyWoken), 5);
    assert_eq!(thread.woken, once(5));
    assert_eq!(thread.preempted, Durations::default());
    assert_eq!(
        (thread.run.count, thread.run_clipped_ns),
        (0, 20 + 45),
        "both slices are cut by an edge"
    );
}

#[test]
fn a_preempted_thread_is_ready_and_its_slice_is_whole_between_two_switches() {
    // 0     10              30         70
    // ready  | run            | ready    | run …
    let mut thread = record(0);
    thread.switched_in(10);
    thread.switched_out(30, || SwitchOut::Runnable);
    thread.switched_in(70);
    thread.closed(100);
    assert_eq!(
        (thread.run, thread.run_min_ns, thread.run_clipped_ns),
        (once(20), 20, 30)
    );
    assert_eq!((thread.preempted, thread.ready_clipped_ns), (once(40), 10));
    assert_eq!(thread.woken, Durations::default());
    assert_eq!(
        spent(&thread, Activity::OnCpu),
        50,
        "no system call event tells user from kernel"
    );
}

#[test]
fn a_thread_that_never_leaves_its_cpu_shows_the_whole_window_as_clipped() {
    let mut thread = record(1000);
    thread.soft_irq_entered(1100, 1);
    thread.soft_irq_exited(1110, 1);
    thread.closed(2000);
    assert_eq!((thread.run.count, thread.run_clipped_ns), (0, 1000));
    assert_eq!(spent(&thread, Activity::SoftIrq), 10);
    assert_eq!(spent(&thread, Activity::OnCpu), 990);
    assert_eq!(thread.soft_irqs[1], once(10));
}

#[test]
fn a_call_open_at_the_start_is_cut_and_never_counted() {
    let mut thread = record(100);
    thread.woken(150);
    thread.switched_in(160);
    assert_eq!(
        thread.syscall_exited(170),
        SyscallEnd::Cut {
            key: None,
            duration_ns: 70
        }
    );
    thread.closed(200);
    assert_eq!(spent(&thread, Activity::Blocked), 50);
    assert_eq!(thread.first_blocked_ns, 50);
    assert_eq!(
        spent(&thread, Activity::Kernel),
        10,
        "its time on the CPU before was the call's"
    );
    assert_eq!(spent(&thread, Activity::User), 30);
}

#[test]
fn the_registers_name_the_call_that_was_open_at_the_start() {
    let mut thread = record(100);
    thread.was_inside(Some(key(FUTEX)));
    thread.switched_out(110, || SwitchOut::Blocked);
    thread.woken(150);
    thread.switched_in(160);
    assert_eq!(
        thread.syscall_exited(170),
        SyscallEnd::Cut {
            key: Some(key(FUTEX)),
            duration_ns: 70
        }
    );
    assert_eq!(spent(&thread, Activity::Kernel), 10 + 10);
    let mut all_along = record(100);
    all_along.was_inside(Some(key(READ)));
    all_along.soft_irq_entered(120, 1);
    all_along.soft_irq_exited(121, 1);
    assert_eq!(all_along.closed(200), Some((key(READ), 100)));
    assert_eq!(spent(&all_along, Activity::Kernel), 99);
}

#[test]
fn registers_of_a_call_that_is_over_do_not_make_user_time_kernel_time() {
    // preempted on the way out of the kernel at the window's start, then in user code
    let mut thread = record(0);
    thread.was_inside(Some(key(READ)));
    thread.switched_in(10);
    thread.syscall_entered(400, key(FUTEX));
    assert_eq!(
        (
            spent(&thread, Activity::User),
            spent(&thread, Activity::Kernel)
        ),
        (390, 0)
    );
    assert_eq!(
        thread.syscall_exited(410),
        SyscallEnd::Whole {
            key: key(FUTEX),
            duration_ns: 10
        }
    );
}

#[test]
fn the_registers_at_the_beginning_of_a_call_are_that_calls_own() {
    let mut thread = record(100);
    thread.was_inside(Some(key(READ)));
    thread.syscall_entered(150, key(READ));
    assert_eq!(
        thread.syscall_exited(160),
        SyscallEnd::Whole {
            key: key(READ),
            duration_ns: 10
        }
    );
    assert_eq!(spent(&thread, Activity::User), 50);
}

#[test]
fn registers_outside_a_call_make_the_time_before_user_code() {
    let mut thread = record(0);
    thread.was_inside(None);
    thread.soft_irq_entered(40, 1);
    thread.soft_irq_exited(50, 1);
    thread.closed(100);
    assert_eq!(
        (
            spent(&thread, Activity::User),
            spent(&thread, Activity::OnCpu)
        ),
        (90, 0)
    );
}

#[test]
fn a_call_open_at_the_stop_is_returned_with_its_part() {
    let mut thread = record(100);
    thread.syscall_entered(150, key(READ));
    thread.switched_out(160, || SwitchOut::Blocked);
    assert_eq!(thread.closed(200), Some((key(READ), 50)));
    assert_eq!(spent(&thread, Activity::Blocked), 40);
}

#[test]
fn time_on_the_cpu_before_the_first_call_was_user_code() {
    let mut thread = record(0);
    thread.switched_out(10, || SwitchOut::Runnable);
    thread.switched_in(20);
    thread.syscall_entered(50, key(READ));
    thread.closed(50);
    assert_eq!(spent(&thread, Activity::User), 40);
    assert_eq!(spent(&thread, Activity::OnCpu), 0);
}

#[test]
fn a_wakeup_of_a_task_that_does_not_sleep_changes_nothing() {
    let mut running = record(0);
    running.switched_in(5);
    running.woken(10);
    running.switched_out(20, || SwitchOut::Blocked);
    assert_eq!(running.run, once(15));
    assert_eq!(running.woken, Durations::default());
    let mut preempted = record(0);
    preempted.switched_out(5, || SwitchOut::Runnable);
    preempted.woken(10);
    preempted.switched_in(25);
    assert_eq!(
        preempted.preempted,
        once(20),
        "preempted on its way to sleep, then woken: ready all along"
    );
}

#[test]
fn an_orphan_end_of_a_call_is_ignored() {
    let mut child = record(0);
    child.born(10);
    child.switched_in(20);
    assert_eq!(
        child.syscall_exited(25),
        SyscallEnd::Orphan,
        "the child's side of clone"
    );
    assert_eq!(child.woken, once(10));
    assert_eq!(child.phase, SyscallPhase::Outside);
}

#[test]
fn exit_closes_the_open_call_and_the_thread_runs_on_until_its_last_switch() {
    let mut thread = record(0);
    thread.syscall_entered(10, key(231));
    assert_eq!(
        thread.exiting(15),
        SyscallEnd::Cut {
            key: Some(key(231)),
            duration_ns: 5
        }
    );
    thread.switched_out(40, || SwitchOut::Dead);
    assert_eq!(thread.closed(100), None);
    assert_eq!((thread.end_ns, spent(&thread, Activity::Kernel)), (40, 30));
    assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), 40);
}

#[test]
fn a_hard_irq_inside_a_soft_irq_is_net_in_both() {
    // 0    10            20           26        40
    // user  | soft irq     | hard irq   | soft    | user
    let mut thread = record(0);
    thread.soft_irq_entered(10, 3);
    thread.hard_irq_entered(20, 7);
    assert_eq!(thread.hard_irq_exited(26, 7), Some(6));
    thread.soft_irq_exited(40, 3);
    thread.syscall_entered(50, key(READ));
    thread.closed(50);
    assert_eq!(spent(&thread, Activity::HardIrq), 6);
    assert_eq!(spent(&thread, Activity::SoftIrq), 24);
    assert_eq!(spent(&thread, Activity::User), 20);
    assert_eq!(
        thread.soft_irqs[3],
        once(30),
        "the statistics are gross, as the original's"
    );
}

#[test]
fn an_interrupt_in_the_middle_of_an_event_is_taken_off_once() {
    // 0           50      55         70    100
    // user         | (soft irq, while the event at 50 is being recorded) | futex …
    let mut thread = record(0);
    thread.soft_irq_entered(55, 1);
    thread.soft_irq_exited(70, 1);
    thread.syscall_entered(50, key(FUTEX));
    thread.closed(100);
    assert_eq!(spent(&thread, Activity::SoftIrq), 15);
    assert_eq!(
        spent(&thread, Activity::User) + spent(&thread, Activity::Kernel),
        85
    );
    assert_eq!(thread.negative_intervals, 0);
}

#[test]
fn an_interrupt_open_at_the_stop_is_interrupt_time() {
    let mut thread = record(0);
    thread.was_inside(None);
    thread.soft_irq_entered(60, 1);
    thread.hard_irq_entered(80, 9);
    thread.closed(100);
    assert_eq!(
        (
            spent(&thread, Activity::User),
            spent(&thread, Activity::SoftIrq),
            spent(&thread, Activity::HardIrq)
        ),
        (60, 20, 20)
    );
}

#[test]
fn time_around_a_switch_that_was_not_reported_is_lost_and_not_made_up() {
    // 0    10         20 (woken and switched in, unseen)   40          60
    // user  | futex, blocked                                | futex ends | switched out
    let mut thread = record(0);
    thread.syscall_entered(5, key(FUTEX));
    thread.switched_out(10, || SwitchOut::Blocked);
    assert_eq!(
        thread.syscall_exited(40),
        SyscallEnd::Whole {
            key: key(FUTEX),
            duration_ns: 35
        }
    );
    thread.switched_out(60, || SwitchOut::Blocked);
    assert_eq!(
        (
            spent(&thread, Activity::Lost),
            spent(&thread, Activity::Blocked)
        ),
        (30, 0)
    );
    assert_eq!(
        (
            thread.run.count,
            thread.run_clipped_ns,
            thread.switches_missed
        ),
        (0, 10 + 20, 1)
    );
    assert_eq!(thread.woken, Durations::default());
}

#[test]
fn an_interrupt_tells_when_a_thread_was_back_on_its_cpu() {
    let mut thread = record(0);
    thread.was_inside(None);
    thread.switched_out(10, || SwitchOut::Runnable);
    thread.soft_irq_entered(14, 1);
    thread.soft_irq_exited(15, 1);
    thread.soft_irq_entered(34, 1);
    thread.soft_irq_exited(35, 1);
    thread.switched_out(50, || SwitchOut::Runnable);
    assert_eq!(
        (
            spent(&thread, Activity::Lost),
            spent(&thread, Activity::User)
        ),
        (4, 10 + 34)
    );
    thread.soft_irq_entered(70, 1);
    thread.soft_irq_exited(71, 1);
    thread.closed(100);
    assert_eq!(thread.switches_missed, 2);
    assert_eq!(spent(&thread, Activity::Lost), 4 + 20);
    assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), 100);
}

#[test]
fn a_switch_in_without_a_wakeup_loses_the_sleep() {
    let mut thread = record(0);
    thread.switched_out(10, || SwitchOut::Blocked);
    thread.switched_in(50);
    assert_eq!(
        (spent(&thread, Activity::Lost), thread.switches_missed),
        (40, 1)
    );
    assert_eq!(
        (thread.woken, thread.preempted),
        (Durations::default(), Durations::default())
    );
}

#[test]
fn a_stop_is_not_a_sleep() {
    let mut thread = record(0);
    thread.switched_out(10, || SwitchOut::Stopped);
    thread.woken(60);
    thread.switched_in(61);
    assert_eq!(thread.stopped, once(50));
    assert_eq!(spent(&thread, Activity::Blocked), 0);
}

#[test]
fn a_clock_that_goes_back_is_counted_and_adds_nothing() {
    let mut thread = record(100);
    thread.switched_in(200);
    thread.switched_out(190, || SwitchOut::Blocked);
    assert!(thread.negative_intervals > 0);
    assert_eq!(thread.run.count, 0);
    thread.closed(300);
    assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), 200);
}

#[test]
fn the_state_of_a_preempted_task_does_not_matter() {
    assert_eq!(SwitchOut::new(true, 1), SwitchOut::Runnable);
    assert_eq!(SwitchOut::new(false, 0), SwitchOut::Runnable);
    assert_eq!(SwitchOut::new(false, 1), SwitchOut::Blocked);
    assert_eq!(SwitchOut::new(false, 2), SwitchOut::Blocked);
    assert_eq!(SwitchOut::new(false, 0x402), SwitchOut::Blocked);
    assert_eq!(SwitchOut::new(false, 0x4), SwitchOut::Stopped);
    assert_eq!(SwitchOut::new(false, 0x8), SwitchOut::Stopped);
    assert_eq!(SwitchOut::new(false, 0x80), SwitchOut::Dead);
}

#[derive(Clone, Copy, Debug)]
enum Event {
    In,
    Out(SwitchOut),
    Wakeup,
    Enter(u64),
    Exit,
    Exiting,
    HardIn(u64),
    HardOut(u64),
    SoftIn(u32),
    SoftOut(u32),
}

fn apply(thread: &mut ThreadRecord, event: Event, now_ns: u64) -> SyscallEnd {
    match event {
        Event::In => thread.switched_in(now_ns),
        Event::Out(why) => thread.switched_out(now_ns, || why),
        Event::Wakeup => thread.woken(now_ns),
        Event::Enter(number) => thread.syscall_entered(now_ns, key(number)),
        Event::Exit => return thread.syscall_exited(now_ns),
        Event::Exiting => return thread.exiting(now_ns),
        Event::HardIn(action) => thread.hard_irq_entered(now_ns, action),
        Event::HardOut(action) => {
            thread.hard_irq_exited(now_ns, action);
        }
        Event::SoftIn(vector) => thread.soft_irq_entered(now_ns, vector),
        Event::SoftOut(vector) => thread.soft_irq_exited(now_ns, vector),
    }
    SyscallEnd::Orphan
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::In),
        prop_oneof![
            Just(SwitchOut::Runnable),
            Just(SwitchOut::Blocked),
            Just(SwitchOut::Stopped)
        ]
        .prop_map(Event::Out),
        Just(Event::Wakeup),
        (0u64..400).prop_map(Event::Enter),
        Just(Event::Exit),
        Just(Event::Exiting),
        (1u64..4).prop_map(Event::HardIn),
        (1u64..4).prop_map(Event::HardOut),
        (0u32..10).prop_map(Event::SoftIn),
        (0u32..10).prop_map(Event::SoftOut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Any order of events, lost ones and impossible ones included: the activities add up to the window, exactly.
    #[test]
    fn activities_add_up_to_the_window(events in prop::collection::vec((any_event(), 0u64..1_000_000), 0..200)) {
        let mut thread = record(1_000);
        let mut now_ns = 1_000;
        let mut calls_ns = 0;
        for (event, step_ns) in events {
            now_ns += step_ns;
            if let SyscallEnd::Whole { duration_ns, .. } = apply(&mut thread, event, now_ns) {
                calls_ns += duration_ns;
            }
        }
        let stop_ns = now_ns + 17;
        thread.closed(stop_ns);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), stop_ns - 1_000);
        prop_assert_eq!(thread.negative_intervals, 0);
        prop_assert!(calls_ns <= stop_ns - 1_000);
        prop_assert_eq!(thread.run_histogram.iter().sum::<u32>() as u64, thread.run.count);
        prop_assert_eq!(
            thread.ready_histogram.iter().sum::<u32>() as u64,
            thread.woken.count + thread.preempted.count
        );
    }

    /// A trigger's stop reaches other CPUs late: what they counted after it is taken back, and the sum is exact.
    #[test]
    fn what_came_after_the_stop_is_taken_back(
        events in prop::collection::vec((any_event(), 0u64..10_000), 1..100),
        late_ns in 0u64..5_000,
    ) {
        let mut thread = record(1_000_000);
        let mut now_ns = 1_005_000;
        for (event, step_ns) in events {
            now_ns += step_ns;
            apply(&mut thread, event, now_ns);
        }
        let stop_ns = now_ns - late_ns;
        thread.closed(stop_ns);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), stop_ns - 1_000_000);
        prop_assert_eq!(thread.negative_intervals, 0);
    }

    /// Linux 7 may preempt a program in the middle of an event.
    #[test]
    fn a_switch_in_the_middle_of_an_event_is_time_preempted(
        events in prop::collection::vec((any_event(), 0u64..10_000, prop::option::of(1u64..1_000)), 0..100),
    ) {
        let mut thread = record(1_000);
        let mut now_ns = 1_000;
        let mut away_ns = 0;
        for (event, step_ns, preempted) in events {
            now_ns += step_ns;
            let is_own = matches!(event, Event::Enter(_) | Event::Exit | Event::Exiting);
            match preempted {
                Some(preempted_ns) if is_own => {
                    // The program has read the clock.
                    thread.busy = 1;
                    thread.switched_out(now_ns + 1, || SwitchOut::Runnable);
                    thread.switched_in(now_ns + 1 + preempted_ns);
                    apply(&mut thread, event, now_ns);
                    now_ns += 1 + preempted_ns;
                    away_ns += preempted_ns;
                }
                _ => {
                    apply(&mut thread, event, now_ns);
                }
            }
        }
        prop_assert!(thread.nested_ready_ns == away_ns);
        let stop_ns = now_ns + 17;
        thread.closed(stop_ns);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), stop_ns - 1_000);
        prop_assert_eq!(thread.negative_intervals, 0);
    }

    /// Orders that a kernel can produce: run, ready and stopped, whole and cut, equal what the activities say.
    #[test]
    fn intervals_agree_with_activities(choices in prop::collection::vec((0u8..8, 0u64..1_000_000), 0..300)) {
        let mut thread = record(5);
        let mut now_ns = 5;
        for (choice, step_ns) in choices {
            now_ns += step_ns;
            let event = possible(&thread, choice);
            apply(&mut thread, event, now_ns);
        }
        let stop_ns = now_ns + 3;
        thread.closed(stop_ns);
        let on_cpu: u64 = [Activity::OnCpu, Activity::User, Activity::Kernel, Activity::HardIrq, Activity::SoftIrq]
            .iter().map(|&activity| spent(&thread, activity)).sum();
        let ready: u64 = [Activity::ReadyWoken, Activity::ReadyPreempted, Activity::ReadyUnknown]
            .iter().map(|&activity| spent(&thread, activity)).sum();
        let unseen = spent(&thread, Activity::Unseen);
        prop_assert_eq!(thread.run.total_ns + thread.run_clipped_ns, on_cpu);
        prop_assert_eq!(thread.woken.total_ns + thread.preempted.total_ns + thread.ready_clipped_ns, ready);
        prop_assert_eq!(thread.stopped.total_ns + thread.stopped_clipped_ns, spent(&thread, Activity::Stopped));
        prop_assert!(unseen == 0 || unseen == stop_ns - 5);
    }

    /// A clock that jumps anywhere never makes a duration longer than the window.
    #[test]
    fn no_duration_is_made_up(events in prop::collection::vec((any_event(), 0u64..2_000_000), 0..100)) {
        let mut thread = record(1_000_000);
        for (event, at_ns) in events {
            let at_ns = 1_000_000 + at_ns;
            if let SyscallEnd::Whole { duration_ns, .. } | SyscallEnd::Cut { duration_ns, .. } = apply(&mut thread, event, at_ns) {
                prop_assert!(duration_ns <= 2_000_000);
            }
        }
        thread.closed(3_000_000);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), 2_000_000);
        prop_assert!(thread.run.max_ns <= 2_000_000 && thread.woken.max_ns <= 2_000_000 && thread.preempted.max_ns <= 2_000_000);
    }
}

/// An event that can follow in the thread's present state.
fn possible(thread: &ThreadRecord, choice: u8) -> Event {
    if thread.hard_irq_since_ns != 0 {
        return Event::HardOut(1);
    }
    if thread.soft_irq_since_ns != 0 {
        return if choice < 3 {
            Event::HardIn(1)
        } else {
            Event::SoftOut(thread.soft_irq_vector)
        };
    }
    match thread.activity {
        Activity::Unseen if thread.irq_seen == 0 => match choice {
            0 => Event::In,
            1 => Event::Out(SwitchOut::Blocked),
            2 | 3 => Event::Wakeup,
            4 => Event::Enter(READ),
            5 => Event::Exit,
            6 => Event::HardOut(1),
            _ => Event::SoftOut(1),
        },
        Activity::Unseen | Activity::OnCpu | Activity::User | Activity::Kernel => match choice {
            0 => Event::Out(SwitchOut::Runnable),
            1 => Event::Out(SwitchOut::Blocked),
            2 => Event::Out(SwitchOut::Stopped),
            3 => Event::HardIn(1),
            4 => Event::SoftIn(2),
            _ if thread.phase == SyscallPhase::Inside => Event::Exit,
            _ => Event::Enter(FUTEX),
        },
        Activity::ReadyWoken | Activity::ReadyPreempted | Activity::ReadyUnknown => Event::In,
        Activity::Blocked | Activity::Stopped => Event::Wakeup,
        Activity::Ended | Activity::HardIrq | Activity::SoftIrq | Activity::Lost => {
            unreachable!("{:?}", thread.activity)
        }
    }
}
