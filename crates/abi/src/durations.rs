//! Sums of durations, and of time off the CPU by why.

/// How many there were, how long in all, and the longest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    pub count: u64,
    pub total_ns: u64,
    pub max_ns: u64,
}

impl Durations {
    pub const EMPTY: Self = Self {
        count: 0,
        total_ns: 0,
        max_ns: 0,
    };

    #[inline(always)]
    pub fn add(&mut self, duration_ns: u64) {
        self.count += 1;
        self.total_ns += duration_ns;
        if duration_ns > self.max_ns {
            self.max_ns = duration_ns;
        }
    }
}

/// Time off the CPU, by why.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffCpuTime {
    pub ready_ns: u64,
    pub blocked_ns: u64,
    pub stopped_ns: u64,
}

impl OffCpuTime {
    #[inline(always)]
    pub fn add(&mut self, other: Self) {
        self.ready_ns = self.ready_ns.wrapping_add(other.ready_ns);
        self.blocked_ns = self.blocked_ns.wrapping_add(other.blocked_ns);
        self.stopped_ns = self.stopped_ns.wrapping_add(other.stopped_ns);
    }

    /// Of a call that took so long. A window's stop that came late may have left a call more than that, or less than nothing
    /// (which wraps).
    pub fn at_most(self, duration_ns: u64) -> Self {
        let mut left_ns = duration_ns;
        let mut part = |off_cpu_ns: u64| {
            let taken_ns = (off_cpu_ns as i64).max(0) as u64;
            let taken_ns = taken_ns.min(left_ns);
            left_ns -= taken_ns;
            taken_ns
        };
        Self {
            blocked_ns: part(self.blocked_ns),
            stopped_ns: part(self.stopped_ns),
            ready_ns: part(self.ready_ns),
        }
    }

    #[inline(always)]
    pub fn since(self, before: Self) -> Self {
        Self {
            ready_ns: self.ready_ns.wrapping_sub(before.ready_ns),
            blocked_ns: self.blocked_ns.wrapping_sub(before.blocked_ns),
            stopped_ns: self.stopped_ns.wrapping_sub(before.stopped_ns),
        }
    }
}
