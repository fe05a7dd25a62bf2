//! A thread's system calls, and how much of its time off the CPU was theirs.

use abi::durations::OffCpuTime;
use abi::histogram::Histogram;
use abi::syscall::{SyscallKey, SyscallRow};
use abi::thread::close::OpenCall;

use crate::names::errors::errno_name;
use crate::names::syscalls::is_of_probe;
use crate::sample::{SyscallStatistics, Thread};
use crate::threads::shares::hold_within;

/// From the rows of a record, and what was open at its end.
pub fn statistics(rows: &[SyscallRow], open: OpenCall) -> Vec<SyscallStatistics> {
    let mut open_call = open.call;
    let mut statistics: Vec<SyscallStatistics> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut in_flight_ns = row.in_flight_ns;
        let mut off_cpu = row.off_cpu;
        if let Some((_, open_ns)) = open_call.take_if(|(key, _)| *key == row.key) {
            in_flight_ns += open_ns;
            off_cpu.add(open.off_cpu);
        }
        // None was off the CPU for longer than it lasted, nor for less than nothing: its end may be one that the kernel has not
        // reported, or one that a stop that came late has taken back.
        let off_cpu = off_cpu.at_most(row.durations.total_ns + in_flight_ns);
        statistics.push(SyscallStatistics {
            count: row.durations.count as i64,
            total_ns: row.durations.total_ns as i64,
            max_ns: row.durations.max_ns as i64,
            refused: row.refused.into(),
            refused_errno: refused_errno(row),
            histogram: histogram(&row.histogram, row.durations.count).map(Vec::into_boxed_slice),
            ..in_flight_off_cpu(row.key, in_flight_ns, off_cpu)
        });
    }
    if let Some((key, open_ns)) = open_call {
        let off_cpu = open.off_cpu.at_most(open_ns);
        statistics.push(in_flight_off_cpu(key, open_ns, off_cpu));
    }
    statistics
}

fn refused_errno(row: &SyscallRow) -> Option<&'static str> {
    let is_one = row.refused > 0 && row.refused_variously == 0;
    is_one.then(|| errno_name(-i64::from(row.refused_errno)))?
}

/// A call of which the window saw no whole one.
pub fn in_flight(key: SyscallKey, in_flight_ns: u64) -> SyscallStatistics {
    SyscallStatistics {
        in_flight_ns: in_flight_ns as i64,
        ..SyscallStatistics::none_of(key)
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

/// Calls were off the CPU for no longer than their thread. What it was blocked beyond them was in page faults, or in what else
/// leads into the kernel. A tracer's probes are of that: the program calls nothing there.
pub fn settle_calls(thread: &mut Thread) {
    let Thread {
        syscalls,
        budget,
        faults,
        ..
    } = thread;
    syscalls.retain(|call| !is_of_probe(call.key));
    let ready_ns = budget.ready_woken_ns + budget.ready_preempted_ns;
    hold_within(syscalls, ready_ns, |call| &mut call.ready_ns);
    hold_within(syscalls, budget.blocked_ns, |call| &mut call.blocked_ns);
    let stopped_ns = budget.stopped_ns + budget.frozen_ns;
    hold_within(syscalls, stopped_ns, |call| &mut call.stopped_ns);
    let in_calls_ns: i64 = syscalls.iter().map(|call| call.blocked_ns).sum();
    faults.blocked_ns = budget.blocked_ns - in_calls_ns;
}

/// The number of each bucket that is not empty, and its count. The buckets are 32 bits wide: when one has wrapped, the sum no longer is
/// the count, and the histogram is unknown.
pub fn histogram(histogram: &Histogram, count: u64) -> Option<Vec<u32>> {
    let sum: u64 = histogram.iter().map(|&bucket| u64::from(bucket)).sum();
    let used = (0u32..).zip(histogram).filter(|(_, count)| **count > 0);
    (sum == count).then(|| used.flat_map(|(bucket, &count)| [bucket, count]).collect())
}
