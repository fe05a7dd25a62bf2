//! Time on a CPU outside of system calls: user code, or the kernel all the same, in page faults and other exceptions, and on the ways
//! into calls and out of them. No event tells the one from the other. The kernel accounts its timer's ticks to what they interrupt, and
//! where there are enough of them, their shares are those of the time.

use abi::thread::record::{Activity, ThreadRecord};

/// Fewer say too little: of twenty, the share's standard error is a tenth.
const LEAST_TICKS: u64 = 20;

/// A thread's time outside of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideCalls {
    /// In user code; with the kernel's part, if that is unknown.
    pub user_ns: i64,
    /// `None`: unknown.
    pub kernel_ns: Option<i64>,
}

impl OutsideCalls {
    pub fn of(record: &ThreadRecord) -> Self {
        let of = |activity: Activity| record.accumulated_ns[activity as usize];
        let (outside_ns, kernel_only_ns) = (of(Activity::User), of(Activity::KernelOnly));
        let known = |kernel_ns: u64| Self {
            user_ns: (outside_ns - kernel_ns) as i64,
            kernel_ns: Some((kernel_only_ns + kernel_ns) as i64),
        };
        match (outside_ns, kernel_share(record, outside_ns)) {
            (0, _) => known(0),
            (_, Some(share)) => known(((outside_ns as f64 * share) as u64).min(outside_ns)),
            (_, None) => Self {
                user_ns: outside_ns as i64,
                kernel_ns: (kernel_only_ns > 0).then_some(kernel_only_ns as i64),
            },
        }
    }
}

/// By the ticks that came outside of calls. `None`: they are too few, or far from what such a time has: it keeps step with them, or
/// this CPU has none.
fn kernel_share(record: &ThreadRecord, outside_ns: u64) -> Option<f64> {
    let ticked = record.irq_ticked;
    let ticked_ns = ticked.user_ns + ticked.system_ns;
    let is_enough =
        record.irq_ticks >= LEAST_TICKS && ticked_ns > outside_ns / 2 && ticked_ns / 2 < outside_ns;
    is_enough.then(|| ticked.system_ns as f64 / ticked_ns as f64)
}

#[cfg(test)]
mod tests {
    use abi::thread::record::CpuTimes;
    use proptest::prelude::*;

    use super::{Activity, LEAST_TICKS, OutsideCalls, ThreadRecord};

    const TICK_NS: u64 = 4_000_000;

    fn record(outside_ns: u64, user_ticks: u64, system_ticks: u64) -> ThreadRecord {
        // SAFETY: all zeros is the free record: every field is an integer or an enum whose variant 0 exists.
        let mut record: ThreadRecord = unsafe { std::mem::zeroed() };
        record.accumulated_ns[Activity::User as usize] = outside_ns;
        record.irq_ticks = user_ticks + system_ticks;
        record.irq_ticked = CpuTimes {
            user_ns: user_ticks * TICK_NS,
            system_ns: system_ticks * TICK_NS,
        };
        record
    }

    #[test]
    fn the_ticks_shares_are_those_of_the_time() {
        let outside = OutsideCalls::of(&record(400_000_000, 25, 75));
        assert_eq!(
            (outside.user_ns, outside.kernel_ns),
            (100_000_000, Some(300_000_000))
        );
    }

    #[test]
    fn too_few_ticks_or_too_many_say_nothing() {
        for (outside_ns, user_ticks, system_ticks) in [
            (76_000_000, 0, LEAST_TICKS - 1),
            // It sleeps as the timer comes, or it is woken by it.
            (400_000_000, 30, 20),
            (100_000_000, 30, 20),
        ] {
            let outside = OutsideCalls::of(&record(outside_ns, user_ticks, system_ticks));
            assert_eq!(outside.user_ns, outside_ns as i64);
            assert_eq!(outside.kernel_ns, None);
        }
    }

    #[test]
    fn a_thread_of_the_kernel_s_needs_no_ticks() {
        let mut worker = record(0, 0, 0);
        worker.accumulated_ns[Activity::KernelOnly as usize] = 7;
        let outside = OutsideCalls::of(&worker);
        assert_eq!((outside.user_ns, outside.kernel_ns), (0, Some(7)));
        let idle = OutsideCalls::of(&record(0, 0, 0));
        assert_eq!((idle.user_ns, idle.kernel_ns), (0, Some(0)));
    }

    proptest! {
        #[test]
        fn both_are_the_time(outside_ns in any::<u32>(), user in 0u64..1000, system in 0u64..1000) {
            let outside = OutsideCalls::of(&record(outside_ns.into(), user, system));
            prop_assert_eq!(outside.user_ns + outside.kernel_ns.unwrap_or(0), i64::from(outside_ns));
            prop_assert!(outside.user_ns >= 0 && outside.kernel_ns.unwrap_or(0) >= 0);
        }
    }
}
