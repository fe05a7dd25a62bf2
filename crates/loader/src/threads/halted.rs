//! Threads that somebody had halted as the window opened, by a stop or a freezer. Their first event, the wakeup with which they go on, looks like
//! the end of a sleep, and what came before it was counted as that.

use abi::durations::OffCpuTime;
use abi::syscall::SyscallKey;
use abi::thread::record::{ACTIVITIES, Activity, SyscallPhase, ThreadRecord};

use crate::sample::SyscallStatistics;
use crate::targets::stopped::Halt;

/// Makes the time before the thread's first event time halted, of the thread and of the call that it was counted for, if it was for
/// one. `unattributed`: time off the CPU that no call has been found for yet. Returns that time.
pub fn was_halted(
    halt: Halt,
    record: &ThreadRecord,
    spent: &mut [u64; ACTIVITIES],
    syscalls: &mut [SyscallStatistics],
    unattributed: &mut OffCpuTime,
) -> u64 {
    // Of that, what a stop before the wakeup has left.
    let halted_ns = record
        .first_blocked_ns
        .min(spent[Activity::Blocked as usize]);
    spent[Activity::Blocked as usize] -= halted_ns;
    let activity = match halt {
        Halt::Stop => Activity::Stopped,
        Halt::Freezer => Activity::Frozen,
    };
    spent[activity as usize] += halted_ns;
    if record.phase == SyscallPhase::Unknown {
        // It is still to be found out in what call.
        let blocked_ns = (unattributed.blocked_ns as i64).max(0) as u64;
        let of_it_ns = halted_ns.min(blocked_ns);
        unattributed.blocked_ns = unattributed.blocked_ns.wrapping_sub(of_it_ns);
        unattributed.stopped_ns = unattributed.stopped_ns.wrapping_add(of_it_ns);
    } else if let Some(call) = syscalls.iter_mut().find(|call| was_in(record, call)) {
        let of_call_ns = call.blocked_ns.min(halted_ns as i64);
        call.blocked_ns -= of_call_ns;
        call.stopped_ns += of_call_ns;
    }
    halted_ns
}

/// Whether the time before the thread's first event was counted for this call. It was for none if the thread then began one: a signal or
/// a freezer takes it out of its call, into which it goes back afterwards. That is another time in the call, with waits of its own.
fn was_in(record: &ThreadRecord, call: &SyscallStatistics) -> bool {
    record.first_syscall_over == 0
        && record.first_syscall != SyscallKey::NONE
        && record.first_syscall == call.key
}

#[cfg(test)]
#[path = "halted_tests.rs"]
mod tests;
