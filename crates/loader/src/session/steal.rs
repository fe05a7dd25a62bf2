//! Time that the hypervisor took between a window's edges.

use crate::kernel::clock::monotonic_ns;
use crate::kernel::machine::stolen_ns;

/// How finely the kernel tells it.
const TICK_NS: u64 = 10_000_000;
/// Of a long window, reading as much later than its edges as this part of it changes nothing that one would see.
const SMALL_PART: u64 = 100;

/// What had been taken since boot by the time it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StolenTime {
    at_ns: u64,
    stolen_ns: u64,
}

impl StolenTime {
    /// `None`: the kernel does not tell.
    pub fn now() -> Option<Self> {
        let stolen_ns = stolen_ns()?;
        Some(Self {
            at_ns: monotonic_ns(),
            stolen_ns,
        })
    }
}

/// Between two edges, from what was read at each. `None`: unknown, or read too late.
pub fn stolen_between(edges_ns: [u64; 2], read: [Option<StolenTime>; 2]) -> Option<i64> {
    let [start_ns, stop_ns] = edges_ns;
    let [first, last] = read;
    let (first, last) = (first?, last?);
    let missed_ns = first.at_ns.abs_diff(start_ns) + last.at_ns.abs_diff(stop_ns);
    let tolerable_ns = TICK_NS.max(stop_ns.saturating_sub(start_ns) / SMALL_PART);
    let stolen_ns = last.stolen_ns.saturating_sub(first.stolen_ns);
    (missed_ns <= tolerable_ns).then_some(stolen_ns as i64)
}

#[cfg(test)]
mod tests {
    use super::{StolenTime, stolen_between};

    const MS: u64 = 1_000_000;

    fn read(at_ms: u64, stolen_ms: u64) -> Option<StolenTime> {
        Some(StolenTime {
            at_ns: at_ms * MS,
            stolen_ns: stolen_ms * MS,
        })
    }

    #[test]
    fn what_is_read_at_the_edges_is_known_and_what_is_read_late_is_not() {
        let short = [1000 * MS, 1100 * MS];
        assert_eq!(
            stolen_between(short, [read(999, 10), read(1101, 40)]),
            Some(30_000_000)
        );
        assert_eq!(
            stolen_between(short, [read(1400, 10), read(1401, 40)]),
            None
        );
        assert_eq!(
            stolen_between(short, [read(1000, 10), read(1500, 40)]),
            None
        );
        assert_eq!(stolen_between(short, [None, read(1100, 40)]), None);
        let long = [1000 * MS, 61_000 * MS];
        assert_eq!(
            stolen_between(long, [read(1300, 10), read(61_200, 20)]),
            Some(10_000_000)
        );
        assert_eq!(
            stolen_between(long, [read(1500, 10), read(61_200, 20)]),
            None
        );
    }
}
