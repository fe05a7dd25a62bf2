//! The state machine against hand-drawn timelines, and against millions of random event orders.

mod calls;
mod interrupts;
mod missed;
mod properties;
mod switches;

use crate::durations::Durations;
use crate::syscall::SyscallKey;
use crate::thread::record::{Activity, ThreadRecord};

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
