//! From a thread's record to the thread of a sample.

use std::collections::HashMap;

use abi::durations::{Durations, OffCpuTime};
use abi::syscall::SyscallKey;
use abi::thread::record::{Activity, SyscallPhase, ThreadRecord};

use crate::names::interrupts::SOFT_IRQ_NAMES;
use crate::names::text::name_of;
use crate::sample::{
    Budget, Faults, HardIrq, Interval, LocalIrq, LongPoll, Ready, Run, SoftIrq, Stopped,
    SyscallStatistics, Thread,
};
use crate::targets::stopped::Halt;
use crate::threads::halted::was_halted;
use crate::threads::outside_calls::OutsideCalls;
use crate::threads::seen::{FirstEvent, SeenThread};
use crate::threads::syscalls::{histogram, settle_calls};
use crate::threads::waits;

/// What the other maps hold of a thread.
#[derive(Default)]
pub struct Parts {
    pub syscalls: Vec<SyscallStatistics>,
    pub hard_irqs: Vec<HardIrq>,
    pub local_irqs: Vec<LocalIrq>,
    /// Time off the CPU that is attributed to no call, though one may have been open.
    pub unattributed: OffCpuTime,
}

pub fn thread(
    record: ThreadRecord,
    parts: Parts,
    stop_ns: u64,
    halted_at_start: &HashMap<u32, Halt>,
) -> SeenThread {
    let Parts {
        mut syscalls,
        hard_irqs,
        local_irqs,
        mut unattributed,
    } = parts;
    let mut spent = record.accumulated_ns;
    let mut stopped_clipped_ns = record.stopped_clipped_ns;
    if record.first_blocked_ns > 0
        && let Some(&halt) = halted_at_start.get(&record.tid)
    {
        let halted_ns = was_halted(halt, &record, &mut spent, &mut syscalls, &mut unattributed);
        if halt == Halt::Stop {
            stopped_clipped_ns += halted_ns;
        }
    }
    let of = |activity: Activity| spent[activity as usize] as i64;
    let end_ns = if record.end_ns != 0 {
        record.end_ns
    } else {
        stop_ns
    };
    let ready_count = record.woken.count + record.preempted.count;
    let ready_ns = record.woken.total_ns + record.preempted.total_ns;
    let long_polls = record.long_poll;
    let outside_calls = OutsideCalls::of(&record);
    let mut thread = Thread {
        pid: record.tgid,
        tid: record.tid,
        comm: name_of(&record.comm),
        // Who waited for it may go on before its last switch. What came after the window stands at its end.
        exited: record.phase == SyscallPhase::Exiting
            || record.activity == Activity::Ended && record.end_ns < stop_ns,
        kernel_only: record.kernel_only != 0,
        syscalls,
        run: Run {
            count: record.run.count as i64,
            total_ns: record.run.total_ns as i64,
            min_ns: (record.run.count > 0).then_some(record.run_min_ns as i64),
            max_ns: max_ns(&record.run),
            clipped_ns: record.run_clipped_ns as i64,
            histogram: histogram(&record.run_histogram, record.run.count),
        },
        ready: Ready {
            count: ready_count as i64,
            total_ns: ready_ns as i64,
            max_ns: max_ns(&record.woken).max(max_ns(&record.preempted)),
            clipped_ns: record.ready_clipped_ns as i64,
            woken: interval(&record.woken),
            preempted: interval(&record.preempted),
            histogram: histogram(&record.ready_histogram, ready_count),
        },
        stopped: Stopped {
            count: record.stopped.count as i64,
            total_ns: record.stopped.total_ns as i64,
            max_ns: max_ns(&record.stopped),
            clipped_ns: stopped_clipped_ns as i64,
        },
        long_poll: LongPoll {
            count: long_polls.count as i64,
            total_ns: long_polls.total_ns as i64,
            min_ns: (long_polls.count > 0).then_some(record.long_poll_min_ns as i64),
            max_ns: max_ns(&long_polls),
            histogram: histogram(&record.long_poll_histogram, long_polls.count),
        },
        hard_irqs,
        local_irqs,
        soft_irqs: soft_irqs(&record),
        ran_instead: waits::nothing_recorded(ready_ns as i64),
        woken_by: Vec::new(),
        chains: None,
        faults: faults(&record),
        budget: Budget {
            wall_ns: end_ns.saturating_sub(record.begin_ns) as i64,
            user_ns: outside_calls.user_ns,
            kernel_ns: of(Activity::Kernel),
            kernel_outside_calls_ns: outside_calls.kernel_ns,
            ready_woken_ns: of(Activity::ReadyWoken),
            // Ready since before the window, it was more likely preempted than woken just then.
            ready_preempted_ns: of(Activity::ReadyPreempted) + of(Activity::ReadyUnknown),
            blocked_ns: of(Activity::Blocked),
            stopped_ns: of(Activity::Stopped),
            frozen_ns: of(Activity::Frozen),
            hard_irq_ns: of(Activity::HardIrq),
            soft_irq_ns: of(Activity::SoftIrq),
            unknown_ns: of(Activity::Unseen) + of(Activity::OnCpu) + of(Activity::Lost),
        },
    };
    settle_calls(&mut thread);
    let phase_unknown = record.phase == SyscallPhase::Unknown;
    SeenThread {
        kernel_pid: record.pid,
        first: FirstEvent::of(&record),
        begin_ns: record.begin_ns,
        first_call: first_call(&record),
        needs_cpu_mode: phase_unknown && record.activity == Activity::OnCpu,
        needs_syscall: phase_unknown
            && matches!(record.activity, Activity::Blocked | Activity::Stopped),
        unattributed,
        open_ns: of(Activity::OnCpu),
        thread,
    }
}

/// If its first event says that it was blocked, and its registers, then or at that call's end, in what.
fn first_call(record: &ThreadRecord) -> Option<SyscallKey> {
    let is_known = record.first_activity == Activity::Blocked
        && record.first_syscall != SyscallKey::NONE
        && record.first_syscall_over == 0;
    is_known.then_some(record.first_syscall)
}

/// `None` where the kernel's BTF does not tell where it counts them: a living thread has had some.
fn faults(record: &ThreadRecord) -> Faults {
    let (before, after) = (record.faults_before, record.faults);
    let is_counted = after.minor > 0;
    let since = |before: u64, after: u64| is_counted.then(|| after.saturating_sub(before) as i64);
    Faults {
        minor: since(before.minor, after.minor),
        major: since(before.major, after.major),
        blocked_ns: 0,
    }
}

fn soft_irqs(record: &ThreadRecord) -> Vec<SoftIrq> {
    let used = record
        .soft_irqs
        .iter()
        .enumerate()
        .filter(|(_, durations)| durations.count > 0);
    used.map(|(vector, durations)| SoftIrq {
        name: SOFT_IRQ_NAMES
            .get(vector)
            .map_or_else(|| format!("softirq_{vector}"), |&name| name.to_owned()),
        vector: vector as u32,
        count: durations.count as i64,
        total_ns: durations.total_ns as i64,
        max_ns: durations.max_ns as i64,
    })
    .collect()
}

fn interval(durations: &Durations) -> Interval {
    Interval {
        count: durations.count as i64,
        total_ns: durations.total_ns as i64,
        max_ns: max_ns(durations),
    }
}

fn max_ns(durations: &Durations) -> Option<i64> {
    (durations.count > 0).then_some(durations.max_ns as i64)
}

#[cfg(test)]
#[path = "from_record_tests.rs"]
mod tests;
