//! Switches and wakeups.

use super::{once, record, spent};
use crate::durations::Durations;
use crate::thread::record::Activity;
use crate::thread::state::SwitchOut;

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

#[test]
fn a_wait_for_a_sleeping_spinlock_of_preempt_rt_is_blocked() {
    const TASK_RTLOCK_WAIT: u64 = 0x1000;
    assert_eq!(
        SwitchOut::new(false, TASK_RTLOCK_WAIT),
        SwitchOut::Blocked,
        "whether it had meant to sleep or to stop is kept elsewhere (saved_state)"
    );
    assert_eq!(
        SwitchOut::new(true, TASK_RTLOCK_WAIT),
        SwitchOut::Runnable,
        "preempted before it came to wait"
    );
}

#[test]
fn a_thread_that_the_window_s_end_finds_about_to_be_woken_was_blocked_all_along() {
    let mut thread = record(100);
    thread.closed(500);
    assert_eq!(spent(&thread, Activity::Blocked), 400);
    assert_eq!(
        thread.first_blocked_ns, 400,
        "or stopped, as /proc may know"
    );
    let mut interrupted = record(100);
    interrupted.hard_irq_entered(200, 1);
    interrupted.hard_irq_exited(210, 1);
    interrupted.closed(500);
    assert_eq!(spent(&interrupted, Activity::Blocked), 0, "it was on a CPU");
}
