//! What every sample must hold, how often a thread made a call in it, and how a test's threads come to their end.

use std::sync::atomic::{AtomicBool, Ordering};

use loader::sample::{CriticalPath, SyscallStatistics, Thread};
use loader::session::sample::Sample;

/// Is set as this goes out of scope, however that comes: else threads that wait for it would make a failure hang.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Calls of this name that began and ended in the window, of whatever convention.
pub fn count(thread: &Thread, name: &str) -> i64 {
    thread
        .syscalls
        .iter()
        .filter(|syscall| syscall.name() == name)
        .map(|syscall| syscall.count)
        .sum()
}

/// As many as were made. Since Linux 7 a program may be preempted; then the kernel skips it for others on that CPU, and counts
/// that.
pub fn assert_count(sample: &Sample, thread: &Thread, name: &str, made: i64, when: &str) {
    let counted = count(thread, name);
    let skipped = sample.losses.recursion_misses.unwrap_or(0);
    assert!(
        counted <= made && made <= counted + skipped,
        "{when}: {counted} of {made} {name}, {skipped} skipped"
    );
}

/// The path's parts follow each other without a gap, from that time since the window's start to its end.
pub fn assert_without_gap(sample: &Sample, path: &CriticalPath, from_ns: i64) {
    let mut until_ns = from_ns;
    for segment in &path.segments {
        assert_eq!(segment.from_ns, until_ns, "{path:#?}");
        assert!(segment.to_ns > segment.from_ns && !segment.steps.is_empty());
        until_ns = segment.to_ns;
    }
    let window_ns = (sample.stop.at_ns - sample.start.at_ns) as i64;
    assert_eq!(until_ns, window_ns);
}

/// Each thread's budget is its wall time exactly, and no thread has more of that than the window.
pub fn assert_adds_up(sample: &Sample) {
    let window_ns = (sample.stop.at_ns - sample.start.at_ns) as i64;
    // Ends of calls that the kernel did not report, which it has counted (since 7.0, where a program was preempted).
    let mut ends_skipped = sample.losses.recursion_misses.unwrap_or(0);
    for thread in &sample.threads {
        let budget = &thread.budget;
        let sum = budget.user_ns
            + budget.kernel_ns
            + budget.kernel_outside_calls_ns.unwrap_or(0)
            + budget.ready_woken_ns
            + budget.ready_preempted_ns
            + budget.blocked_ns
            + budget.stopped_ns
            + budget.frozen_ns
            + budget.hard_irq_ns
            + budget.soft_irq_ns
            + budget.unknown_ns;
        assert_eq!(sum, budget.wall_ns, "{thread:?}");
        let of_calls =
            |part: fn(&SyscallStatistics) -> i64| -> i64 { thread.syscalls.iter().map(part).sum() };
        assert_eq!(
            of_calls(|call| call.blocked_ns) + thread.faults.blocked_ns,
            budget.blocked_ns,
            "{thread:?}"
        );
        for call in &thread.syscalls {
            let off_cpu_ns = call.ready_ns + call.blocked_ns + call.stopped_ns;
            let inside_ns = call.total_ns + call.in_flight_ns;
            if off_cpu_ns > inside_ns && sample.losses.switches_missed == 0 {
                ends_skipped -= 1;
                assert!(ends_skipped >= 0, "{call:?}");
            }
        }
        let ran_instead = &thread.ran_instead;
        let attributed_ns = ran_instead
            .tasks
            .iter()
            .map(|task| task.total_ns)
            .sum::<i64>()
            + ran_instead.other_tasks_ns
            + ran_instead.unattributed_ns;
        assert_eq!(attributed_ns, thread.ready.total_ns, "{thread:?}");
        assert!(budget.wall_ns <= window_ns, "{thread:?}");
    }
}
