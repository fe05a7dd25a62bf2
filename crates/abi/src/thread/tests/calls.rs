//! System calls: whole, cut by an edge of the window, named by the registers, and never ended.

use super::{FUTEX, READ, key, once, record, spent};
use crate::durations::{Durations, OffCpuTime};
use crate::thread::close::OpenCall;
use crate::thread::record::{Activity, LONG_CALL_NS, LongCall, SyscallPhase, ThreadRecord};
use crate::thread::state::{SwitchOut, SyscallEnd};

#[test]
fn a_call_that_blocks_is_kernel_then_blocked_then_ready() {
    // 100   110        120            150           155        160
    //  user  | futex     | blocked      | woken       | futex    | user
    let mut thread = record(100);
    thread.syscall_entered(110, key(FUTEX));
    thread.switched_out(120, || SwitchOut::Blocked);
    thread.woken(150);
    thread.switched_in(155);
    let off_cpu = OffCpuTime {
        ready_ns: 5,
        blocked_ns: 30,
        stopped_ns: 0,
    };
    assert_eq!(thread.attribute_off_cpu(), Some((key(FUTEX), off_cpu)));
    let end = thread.syscall_exited(160, || false);
    assert_eq!(
        end,
        SyscallEnd::Whole {
            key: key(FUTEX),
            duration_ns: 50
        }
    );
    assert_eq!(thread.closed(200), OpenCall::default());
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
fn the_calls_that_were_longest_on_the_cpu_are_kept() {
    let mut thread = record(100);
    let long = |number: u64| 1_000_000 * number;
    // One of just that length, and one that is shorter.
    thread.syscall_entered(long(1), key(READ));
    thread.syscall_exited(long(1) + LONG_CALL_NS, || false);
    thread.syscall_entered(long(2), key(READ));
    thread.syscall_exited(long(2) + LONG_CALL_NS - 1, || false);
    assert_eq!(thread.long_calls_kept, 1);
    // Of one that blocks it is the part since the thread came back.
    thread.syscall_entered(long(3), key(FUTEX));
    thread.switched_out(long(4), || SwitchOut::Blocked);
    thread.woken(long(5));
    thread.switched_in(long(6));
    thread.syscall_exited(long(6) + LONG_CALL_NS, || false);
    let kept = |place: usize| {
        let LongCall {
            from_ns,
            to_ns,
            key,
            ..
        } = thread.long_calls[place];
        (from_ns, to_ns, key)
    };
    assert_eq!(kept(0), (long(1), long(1) + LONG_CALL_NS, key(READ)));
    assert_eq!(kept(1), (long(6), long(6) + LONG_CALL_NS, key(FUTEX)));
    // Two of this length there are by now: the earlier one goes, then the other one.
    for number in 7..10 {
        thread.syscall_entered(long(number), key(READ));
        thread.syscall_exited(long(number) + 2 * LONG_CALL_NS, || false);
    }
    let kept_from = |thread: &ThreadRecord| thread.long_calls.map(|call| call.from_ns);
    assert_eq!(kept_from(&thread), [6, 7, 8, 9].map(long));
    thread.syscall_entered(long(10), key(READ));
    thread.syscall_exited(long(11) - 1, || false);
    assert_eq!(kept_from(&thread), [7, 8, 9, 10].map(long));
    // No longer than the shortest that is kept.
    thread.syscall_entered(long(11), key(READ));
    thread.syscall_exited(long(11) + 2 * LONG_CALL_NS, || false);
    assert_eq!(kept_from(&thread), [7, 8, 9, 10].map(long));
    assert_eq!(thread.long_calls_kept, 4);
}

#[test]
fn off_cpu_time_for_which_there_is_no_row_waits_for_one_and_ends_with_its_call() {
    let blocked_ns = |ns: u64| OffCpuTime {
        blocked_ns: ns,
        ..OffCpuTime::default()
    };
    let mut thread = record(0);
    thread.syscall_entered(10, key(READ));
    thread.switched_out(20, || SwitchOut::Blocked);
    thread.woken(50);
    thread.switched_in(50);
    assert_eq!(
        thread.attribute_off_cpu(),
        Some((key(READ), blocked_ns(30)))
    );
    thread.leave_off_cpu(blocked_ns(30));
    thread.switched_out(60, || SwitchOut::Blocked);
    thread.woken(65);
    thread.switched_in(65);
    assert_eq!(
        thread.attribute_off_cpu(),
        Some((key(READ), blocked_ns(30 + 5))),
        "both waits at once"
    );
    thread.leave_off_cpu(blocked_ns(35));
    thread.syscall_exited(70, || false);
    assert_eq!(
        thread.take_off_cpu(),
        blocked_ns(35),
        "of the row made at its end"
    );
    thread.syscall_entered(80, key(FUTEX));
    thread.switched_out(90, || SwitchOut::Blocked);
    let open = thread.closed(100);
    assert_eq!(
        open.off_cpu,
        blocked_ns(10),
        "nothing of the call before it"
    );
}

#[test]
fn a_call_open_at_the_start_is_cut_and_never_counted() {
    let mut thread = record(100);
    thread.woken(150);
    thread.switched_in(160);
    assert_eq!(
        thread.syscall_exited(170, || false),
        SyscallEnd::Cut {
            key: None,
            duration_ns: 70,
            off_cpu: OffCpuTime {
                ready_ns: 10,
                blocked_ns: 50,
                stopped_ns: 0
            }
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
        thread.attribute_off_cpu(),
        None,
        "its end decides whether it is the call's"
    );
    assert_eq!(
        thread.syscall_exited(170, || false),
        SyscallEnd::Cut {
            key: Some(key(FUTEX)),
            duration_ns: 70,
            off_cpu: OffCpuTime {
                ready_ns: 10,
                blocked_ns: 40,
                stopped_ns: 0
            }
        }
    );
    assert_eq!(spent(&thread, Activity::Kernel), 10 + 10);
    let mut all_along = record(100);
    all_along.was_inside(Some(key(READ)));
    all_along.soft_irq_entered(120, 1);
    all_along.soft_irq_exited(121, 1);
    assert_eq!(all_along.closed(200).call, Some((key(READ), 100)));
    assert_eq!(spent(&all_along, Activity::Kernel), 99);
}

#[test]
fn registers_of_a_call_that_is_over_do_not_make_user_time_kernel_time() {
    // preempted on the way out of the kernel at the window's start, then in user code
    let mut thread = record(0);
    thread.was_inside(Some(key(READ)));
    thread.switched_in(10);
    assert_eq!(thread.attribute_off_cpu(), None);
    thread.syscall_entered(400, key(FUTEX));
    assert_eq!(thread.first_syscall_over, 1);
    assert_eq!(
        thread.attribute_off_cpu(),
        Some((key(FUTEX), OffCpuTime::default())),
        "what was before is no call's"
    );
    assert_eq!(
        (
            spent(&thread, Activity::User),
            spent(&thread, Activity::Kernel)
        ),
        (390, 0)
    );
    assert_eq!(
        thread.syscall_exited(410, || false),
        SyscallEnd::Whole {
            key: key(FUTEX),
            duration_ns: 10
        }
    );
}

#[test]
fn a_call_that_goes_on_is_not_over_when_the_next_one_begins() {
    let mut thread = record(0);
    thread.was_inside(Some(key(READ)));
    thread.woken(10);
    thread.switched_in(20);
    thread.syscall_exited(30, || false);
    thread.syscall_entered(40, key(READ));
    assert_eq!(thread.first_syscall_over, 0);
    // One that was halted has left its call, and goes back into it.
    let mut thread = record(0);
    thread.was_inside(Some(key(READ)));
    thread.woken(10);
    thread.switched_in(20);
    thread.syscall_entered(40, key(READ));
    thread.syscall_exited(50, || false);
    thread.syscall_entered(60, key(READ));
    assert_eq!(thread.first_syscall_over, 1);
}

#[test]
fn the_registers_at_the_beginning_of_a_call_are_that_calls_own() {
    let mut thread = record(100);
    thread.was_inside(Some(key(READ)));
    thread.syscall_entered(150, key(READ));
    assert_eq!(
        thread.syscall_exited(160, || false),
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
    let open = thread.closed(200);
    assert_eq!(open.call, Some((key(READ), 50)));
    assert_eq!(open.off_cpu.blocked_ns, 40);
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
fn an_orphan_end_of_a_call_is_ignored() {
    let mut child = record(0);
    child.born(10);
    child.switched_in(20);
    assert_eq!(
        child.syscall_exited(25, || false),
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
            duration_ns: 5,
            off_cpu: OffCpuTime::default()
        }
    );
    thread.switched_out(40, || SwitchOut::Dead);
    assert_eq!(thread.closed(100).call, None);
    assert_eq!((thread.end_ns, spent(&thread, Activity::Kernel)), (40, 30));
    assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), 40);
}

#[test]
fn off_the_cpu_from_its_poll_is_from_the_end_of_one_to_the_beginning_of_the_next() {
    let mut thread = record(0);
    thread.polled(10, 20);
    assert_eq!(
        thread.long_poll,
        Durations::default(),
        "of the time before the first nobody knows"
    );
    thread.polled(50, 60);
    thread.polled(160, 200);
    assert_eq!(
        thread.long_poll,
        Durations {
            count: 2,
            total_ns: 30 + 100,
            max_ns: 100
        }
    );
    assert_eq!(thread.long_poll_min_ns, 30);
    assert_eq!(thread.long_poll_histogram.iter().sum::<u32>(), 2);
}

#[test]
fn an_end_without_a_beginning_is_a_call_that_was_refused() {
    let mut thread = record(0);
    thread.was_inside(None);
    thread.hard_irq_entered(5, 7);
    thread.hard_irq_exited(6, 7);
    assert_eq!(thread.syscall_exited(40, || true), SyscallEnd::Refused);
    assert_eq!(thread.syscall_exited(50, || true), SyscallEnd::Refused);
    // Of a thread whose calls nobody refuses, its beginning was lost.
    assert_eq!(thread.syscall_exited(55, || false), SyscallEnd::Orphan);
    thread.syscall_entered(60, key(READ));
    assert_eq!(
        thread.syscall_exited(70, || true),
        SyscallEnd::Whole {
            key: key(READ),
            duration_ns: 10
        }
    );
    thread.closed(100);
    assert_eq!(spent(&thread, Activity::User), 99 - 10);
    assert_eq!(spent(&thread, Activity::Kernel), 10);
}

#[test]
fn what_came_before_a_call_that_may_have_been_refused_is_unknown() {
    for is_filtered in [true, false] {
        // The registers hold the call's number either way.
        let mut thread = record(0);
        thread.was_inside(Some(key(READ)));
        let cut = SyscallEnd::Cut {
            key: Some(key(READ)),
            duration_ns: 40,
            off_cpu: OffCpuTime::default(),
        };
        let expected = if is_filtered { SyscallEnd::Orphan } else { cut };
        assert_eq!(thread.syscall_exited(40, || is_filtered), expected);
        thread.closed(100);
        let (known, unknown) = (Activity::Kernel, Activity::Lost);
        let before = if is_filtered { unknown } else { known };
        assert_eq!(spent(&thread, before), 40);
        assert_eq!(spent(&thread, Activity::User), 60);
    }
}

#[test]
fn a_wait_for_a_supervisor_is_the_call_s_whether_it_goes_on_or_not() {
    for goes_on in [false, true] {
        let mut thread = record(0);
        thread.syscall_entered(1, key(READ));
        thread.syscall_exited(2, || true);
        thread.switched_out(10, || SwitchOut::Blocked);
        assert!(thread.is_blocked_outside_calls());
        thread.held(10, key(FUTEX));
        thread.woken(50);
        thread.switched_in(55);
        let off_cpu = OffCpuTime {
            ready_ns: 5,
            blocked_ns: 40,
            stopped_ns: 0,
        };
        assert_eq!(thread.attribute_off_cpu(), Some((key(FUTEX), off_cpu)));
        if goes_on {
            thread.syscall_entered(60, key(FUTEX));
        }
        let whole = SyscallEnd::Whole {
            key: key(FUTEX),
            duration_ns: 60,
        };
        assert_eq!(thread.syscall_exited(70, || true), whole);
        thread.closed(100);
        assert_eq!(spent(&thread, Activity::Kernel), 1 + 15);
        assert_eq!(spent(&thread, Activity::User), 1 + 8 + 30);
    }
}

#[test]
fn another_call_than_the_one_that_was_held_begins_by_itself() {
    let mut thread = record(0);
    thread.was_inside(None);
    thread.switched_out(10, || SwitchOut::Blocked);
    thread.held(10, key(FUTEX));
    thread.woken(50);
    thread.switched_in(55);
    thread.syscall_entered(60, key(READ));
    let whole = SyscallEnd::Whole {
        key: key(READ),
        duration_ns: 10,
    };
    assert_eq!(thread.syscall_exited(70, || true), whole);
}

#[test]
fn a_thread_that_never_leaves_the_kernel_is_in_no_call() {
    let mut worker = record(0);
    worker.phase = SyscallPhase::KernelOnly;
    worker.born(10);
    worker.switched_in(20);
    worker.switched_out(30, || SwitchOut::Blocked);
    worker.woken(50);
    worker.switched_in(60);
    assert_eq!(worker.closed(100).call, None);
    assert_eq!(spent(&worker, Activity::KernelOnly), 10 + 40);
    assert_eq!(spent(&worker, Activity::User), 0);
}

#[test]
fn a_call_in_which_the_thread_was_blocked_had_begun() {
    // What the registers hold is not known.
    let mut thread = record(0);
    thread.woken(30);
    thread.switched_in(35);
    let end = thread.syscall_exited(40, || true);
    let off_cpu = OffCpuTime {
        ready_ns: 5,
        blocked_ns: 30,
        stopped_ns: 0,
    };
    let cut = SyscallEnd::Cut {
        key: None,
        duration_ns: 40,
        off_cpu,
    };
    assert_eq!(end, cut);
}
