//! When a task began, on the clock of the windows.

use crate::kernel::clock::{monotonic_ns, own_boottime_ns};
use crate::targets::proc_stat::Stat;

/// /proc counts from boot, in ticks, and goes on counting while the machine sleeps.
#[derive(Clone, Copy)]
pub struct StartTime {
    tick_ns: u64,
    /// What /proc adds: the time that the machine slept, and the time namespace's offset.
    added_ns: i64,
}

impl StartTime {
    pub fn now() -> Self {
        // SAFETY: sysconf has no preconditions.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
        Self {
            tick_ns: 1_000_000_000 / ticks,
            added_ns: own_boottime_ns() as i64 - monotonic_ns() as i64,
        }
    }

    /// At the earliest: ticks are rounded down.
    fn earliest_ns(self, stat: &Stat) -> u64 {
        stat.start_ticks
            .saturating_mul(self.tick_ns)
            .saturating_add_signed(-self.added_ns)
    }

    /// Surely.
    pub fn began_after(self, stat: &Stat, at_ns: u64) -> bool {
        self.earliest_ns(stat) > at_ns
    }

    /// Surely.
    pub fn began_before(self, stat: &Stat, at_ns: u64) -> bool {
        self.earliest_ns(stat).saturating_add(self.tick_ns) < at_ns
    }
}

#[cfg(test)]
mod tests {
    use super::{StartTime, Stat, monotonic_ns};

    #[test]
    fn a_task_is_younger_or_older_only_if_it_surely_is() {
        let clock = StartTime::now();
        let now_ns = monotonic_ns();
        let own = crate::targets::proc_stat::stat("/proc/self")
            .unwrap()
            .unwrap();
        assert!(!clock.began_after(&own, now_ns));
        let began_ns = clock.earliest_ns(&own);
        assert!(!clock.began_before(&own, began_ns) && !clock.began_after(&own, began_ns));
        assert!(clock.began_before(&own, began_ns + 2 * clock.tick_ns));
        let unborn = Stat {
            start_ticks: own.start_ticks + 1_000_000,
            ..own
        };
        assert!(clock.began_after(&unborn, now_ns) && !clock.began_before(&unborn, now_ns));
    }
}
