//! Hard and soft interrupts, inside each other and in the middle of an event.

use super::{FUTEX, READ, key, once, record, spent};
use crate::thread::record::{Activity, CpuTimes, SyscallPhase};

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
fn ticks_tell_user_code_from_the_kernel_outside_of_calls_only() {
    let at = |user_ns, system_ns| CpuTimes { user_ns, system_ns };
    // Whether it has ticked, and outside of any call.
    for (phase, after, counted) in [
        (SyscallPhase::Outside, at(14, 20), at(4, 0)),
        (SyscallPhase::Outside, at(10, 24), at(0, 4)),
        (SyscallPhase::Born, at(10, 24), at(0, 4)),
        // Another device's.
        (SyscallPhase::Outside, at(10, 20), at(0, 0)),
        (SyscallPhase::Inside, at(10, 24), at(0, 0)),
        (SyscallPhase::Unknown, at(10, 24), at(0, 0)),
        (SyscallPhase::KernelOnly, at(10, 24), at(0, 0)),
    ] {
        let mut thread = record(0);
        thread.phase = phase;
        thread.hard_irq_entered(20, 7);
        thread.irq_cpu_times = at(10, 20);
        thread.hard_irq_accounted(after);
        thread.hard_irq_exited(26, 7);
        assert_eq!(thread.irq_ticked, counted, "{phase:?}");
        assert_eq!(thread.irq_ticks, u64::from(counted != at(0, 0)));
    }
}

#[test]
fn a_tick_counts_that_was_seen_whole_and_in_the_middle_of_nothing() {
    let mut thread = record(0);
    thread.phase = SyscallPhase::Outside;
    let after = CpuTimes {
        user_ns: 400,
        system_ns: 300,
    };
    thread.hard_irq_accounted(after);
    thread.hard_irq_entered(20, 7);
    thread.busy = 1;
    thread.hard_irq_accounted(after);
    thread.busy = 0;
    thread.soft_irq_entered(10, 3);
    thread.hard_irq_accounted(after);
    assert_eq!(thread.irq_ticks, 0);
    thread.soft_irq_exited(30, 3);
    thread.hard_irq_accounted(after);
    assert_eq!(thread.irq_ticks, 1);
}
