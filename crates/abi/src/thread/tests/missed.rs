//! Switches that were not reported: the time around them is lost, and said to be.

use super::{FUTEX, key, record, spent};
use crate::durations::Durations;
use crate::thread::record::Activity;
use crate::thread::state::{SwitchOut, SyscallEnd};

#[test]
fn time_around_a_switch_that_was_not_reported_is_lost_and_not_made_up() {
    // 0    10         20 (woken and switched in, unseen)   40          60
    // user  | futex, blocked                                | futex ends | switched out
    let mut thread = record(0);
    thread.syscall_entered(5, key(FUTEX));
    thread.switched_out(10, || SwitchOut::Blocked);
    assert_eq!(
        thread.syscall_exited(40, || false),
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
