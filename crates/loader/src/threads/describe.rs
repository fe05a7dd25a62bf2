//! From a thread's record to the thread of a sample.

use std::collections::HashSet;

use abi::durations::{Durations, OffCpuTime};
use abi::histogram::Histogram;
use abi::syscall::SyscallKey;
use abi::thread::record::{Activity, SyscallPhase, ThreadRecord};
use abi::who::{WhoKey, WhoRow};

use crate::names::interrupts::SOFT_IRQ_NAMES;
use crate::names::syscalls;
use crate::names::text::name_of;
use crate::sample::{
    Budget, Faults, HardIrq, Interval, LongPoll, Ready, Run, SoftIrq, Stopped, SyscallStatistics,
    Thread, Vector,
};
use crate::threads::seen::{FirstEvent, SeenThread};
use crate::threads::who;

/// A thread that did one thing all through a window: it had no event then, and its next one told what that was.
pub fn all_along(first: &FirstEvent, wall_ns: u64) -> Thread {
    let wall_ns = wall_ns as i64;
    let mut thread = without_events(first.pid, first.tid, first.comm.clone(), wall_ns);
    let budget = &mut thread.budget;
    budget.unknown_ns = 0;
    match first.activity {
        Activity::User => budget.user_ns = wall_ns,
        Activity::Kernel => budget.kernel_ns = wall_ns,
        Activity::Blocked => budget.blocked_ns = wall_ns,
        Activity::Stopped => budget.stopped_ns = wall_ns,
        Activity::ReadyUnknown => budget.ready_preempted_ns = wall_ns,
        _ => budget.unknown_ns = wall_ns,
    }
    match first.activity {
        Activity::User | Activity::Kernel | Activity::OnCpu => thread.run.clipped_ns = wall_ns,
        Activity::ReadyUnknown => thread.ready.clipped_ns = wall_ns,
        Activity::Stopped => thread.stopped.clipped_ns = wall_ns,
        _ => {}
    }
    if first.syscall != SyscallKey::NONE && first.activity != Activity::User {
        let mut call = in_flight(first.syscall, wall_ns as u64);
        match first.activity {
            Activity::Blocked => call.blocked_ns = wall_ns,
            Activity::Stopped => call.stopped_ns = wall_ns,
            Activity::ReadyUnknown => call.ready_ns = wall_ns,
            _ => {}
        }
        thread.syscalls.push(call);
    }
    settle_faults(&mut thread);
    thread
}

/// A thread of which nothing is known but its name.
pub fn without_events(pid: u32, tid: u32, comm: String, wall_ns: i64) -> Thread {
    let mut thread = Thread {
        pid,
        tid,
        comm,
        budget: Budget {
            wall_ns,
            unknown_ns: wall_ns,
            ..Budget::default()
        },
        ..Thread::default()
    };
    thread.run.histogram = Some(vec![0; abi::histogram::BUCKETS]);
    thread.ready.histogram = Some(vec![0; abi::histogram::BUCKETS]);
    thread.long_poll.histogram = Some(vec![0; abi::histogram::BUCKETS]);
    thread
}

/// What the other maps hold of a thread.
#[derive(Default)]
pub struct Parts {
    pub syscalls: Vec<SyscallStatistics>,
    pub hard_irqs: Vec<HardIrq>,
    pub vectors: Vec<Vector>,
    pub who: Vec<(WhoKey, WhoRow)>,
    /// Time off the CPU that no call has been given, though one may have been open.
    pub unattributed: OffCpuTime,
}

/// Blocked without being in any call: in page faults, or in what else leads into the kernel.
pub fn settle_faults(thread: &mut Thread) {
    let in_calls_ns: i64 = thread.syscalls.iter().map(|call| call.blocked_ns).sum();
    let outside_ns = thread.budget.blocked_ns - in_calls_ns;
    thread.faults.blocked_ns = outside_ns.max(0);
    // A trigger's stop reaches other CPUs late: what a call was given after it is taken back.
    let longest = thread
        .syscalls
        .iter_mut()
        .max_by_key(|call| call.blocked_ns);
    if let Some(call) = longest.filter(|_| outside_ns < 0) {
        call.blocked_ns += outside_ns;
    }
}

pub fn thread(
    record: ThreadRecord,
    parts: Parts,
    stop_ns: u64,
    stopped_at_start: &HashSet<u32>,
) -> SeenThread {
    let Parts {
        mut syscalls,
        hard_irqs,
        vectors,
        who,
        unattributed,
    } = parts;
    let mut spent = record.accumulated_ns;
    let mut stopped_clipped_ns = record.stopped_clipped_ns;
    if record.first_blocked_ns > 0 && stopped_at_start.contains(&record.tid) {
        spent[Activity::Blocked as usize] -= record.first_blocked_ns;
        spent[Activity::Stopped as usize] += record.first_blocked_ns;
        stopped_clipped_ns += record.first_blocked_ns;
        // The call that it was in, if it was in one, was given that time as blocked.
        let name = syscalls::name(record.first_syscall);
        if let Some(call) = syscalls
            .iter_mut()
            .find(|call| call.name == name && call.blocked_ns >= record.first_blocked_ns as i64)
        {
            call.blocked_ns -= record.first_blocked_ns as i64;
            call.stopped_ns += record.first_blocked_ns as i64;
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
    let (ran_instead, woken_by) =
        who::attributed(who, ready_ns, record.ready_short_ns, record.woken_by_others);
    let long_polls = record.long_poll;
    let mut thread = Thread {
        pid: record.tgid,
        tid: record.tid,
        comm: name_of(&record.comm),
        // Who waited for it may go on before its last switch. What came after the window stands at its end.
        exited: record.phase == SyscallPhase::Exiting
            || record.activity == Activity::Ended && record.end_ns < stop_ns,
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
        vectors,
        soft_irqs: soft_irqs(&record),
        ran_instead,
        woken_by,
        faults: faults(&record),
        budget: Budget {
            wall_ns: end_ns.saturating_sub(record.begin_ns) as i64,
            user_ns: of(Activity::User),
            kernel_ns: of(Activity::Kernel),
            ready_woken_ns: of(Activity::ReadyWoken),
            // Ready since before the window, it was more likely preempted than woken just then.
            ready_preempted_ns: of(Activity::ReadyPreempted) + of(Activity::ReadyUnknown),
            blocked_ns: of(Activity::Blocked),
            stopped_ns: of(Activity::Stopped),
            hard_irq_ns: of(Activity::HardIrq),
            soft_irq_ns: of(Activity::SoftIrq),
            unknown_ns: of(Activity::Unseen) + of(Activity::OnCpu) + of(Activity::Lost),
        },
    };
    settle_faults(&mut thread);
    let phase_unknown = record.phase == SyscallPhase::Unknown;
    SeenThread {
        first: FirstEvent::of(&record),
        begin_ns: record.begin_ns,
        needs_cpu_mode: phase_unknown && record.activity == Activity::OnCpu,
        needs_syscall: phase_unknown
            && matches!(record.activity, Activity::Blocked | Activity::Stopped),
        unattributed,
        open_ns: of(Activity::OnCpu),
        thread,
    }
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

/// A call of which the window saw no whole one.
pub fn in_flight(key: SyscallKey, in_flight_ns: u64) -> SyscallStatistics {
    SyscallStatistics {
        name: syscalls::name(key),
        number: key.number(),
        abi: syscalls::abi_name(key.abi()).to_owned(),
        in_flight_ns: in_flight_ns as i64,
        histogram: Some(vec![0; abi::histogram::BUCKETS]),
        ..SyscallStatistics::default()
    }
}

/// And of its time off the CPU.
pub fn in_flight_off_cpu(
    key: SyscallKey,
    in_flight_ns: u64,
    off_cpu: OffCpuTime,
) -> SyscallStatistics {
    SyscallStatistics {
        ready_ns: off_cpu.ready_ns as i64,
        blocked_ns: off_cpu.blocked_ns as i64,
        stopped_ns: off_cpu.stopped_ns as i64,
        ..in_flight(key, in_flight_ns)
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

/// The buckets are 32 bits wide: when one has wrapped, the sum no longer is the count, and the histogram is unknown.
pub fn histogram(histogram: &Histogram, count: u64) -> Option<Vec<u32>> {
    let sum: u64 = histogram.iter().map(|&bucket| u64::from(bucket)).sum();
    (sum == count).then(|| histogram.to_vec())
}
