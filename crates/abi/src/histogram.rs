//! Histograms of durations, four buckets to each power of two.

use crate::jumpless::{bounded, exceeds};

/// A duration from the middle of its bucket is off by at most an eighth of the bucket's lower bound.
pub const BUCKETS: usize = 128;

/// Buckets of one power of two, as a power of two.
const SUB_BITS: u32 = 2;
/// The lower bound of the first bucket, which counts also what is shorter: no call is.
const LEAST_LOG2: u32 = 5;
const LEAST_NS: u64 = 1 << LEAST_LOG2;
/// The last bucket is open-ended: two minutes and more.
const MOST_NS: u64 = (1 << (LEAST_LOG2 as usize + BUCKETS / 4)) - 1;

pub type Histogram = [u32; BUCKETS];

/// Longer durations lose so many of their last bits at once, and are that many buckets further.
const STEP_BITS: u32 = 8;
const STEP_BUCKETS: u64 = (STEP_BITS << SUB_BITS) as u64;

/// What is left of them is in a bucket other than the first.
const INDEX_BITS: u32 = LEAST_LOG2 + STEP_BITS;
const INDEXES: usize = 1 << INDEX_BITS;

/// The bucket of each duration that has no more bits than these.
#[cfg_attr(target_arch = "bpf", unsafe(link_section = ".rodata.buckets"))]
static BUCKET_OF: [u8; INDEXES] = {
    let mut table = [0; INDEXES];
    let mut duration_ns = LEAST_NS as usize;
    while duration_ns < INDEXES {
        let log2 = duration_ns.ilog2();
        let sub = (duration_ns >> (log2 - SUB_BITS)) - (1 << SUB_BITS);
        table[duration_ns] = (((log2 - LEAST_LOG2) << SUB_BITS) as usize + sub) as u8;
        duration_ns += 1;
    }
    table
};

const _: () = assert!(
    MOST_NS >> (2 * STEP_BITS) >> STEP_BITS < INDEXES as u64,
    "three steps do"
);

/// The bucket of a duration below 2^63 ns, which is 292 years.
///
/// eBPF has no instruction that counts leading zeros, and what LLVM makes of `leading_zeros` is four times as long as the table.
#[inline(always)]
pub fn bucket(duration_ns: u64) -> usize {
    if duration_ns < INDEXES as u64 {
        indexed(duration_ns)
    } else {
        bucket_of_longer(duration_ns)
    }
}

#[inline(always)]
fn indexed(duration_ns: u64) -> usize {
    // SAFETY: the index is masked to the table's length.
    let bucket = unsafe {
        BUCKET_OF
            .as_ptr()
            .add(bounded::<INDEXES>(duration_ns as usize))
            .read()
    };
    bounded::<BUCKETS>(bucket.into())
}

/// A function of its own: who takes so long does not mind a call. With jumps the verifier would follow all ways through this, at
/// each use.
#[inline(never)]
fn bucket_of_longer(duration_ns: u64) -> usize {
    let duration_ns = duration_ns & i64::MAX as u64;
    let duration_ns =
        duration_ns - exceeds(duration_ns, MOST_NS) * duration_ns.wrapping_sub(MOST_NS);
    let steps = exceeds(duration_ns, (1 << INDEX_BITS) - 1)
        + exceeds(duration_ns, (1 << (INDEX_BITS + STEP_BITS)) - 1)
        + exceeds(duration_ns, (1 << (INDEX_BITS + 2 * STEP_BITS)) - 1);
    let leading = duration_ns >> (steps * u64::from(STEP_BITS));
    bounded::<BUCKETS>(indexed(leading) + (steps * STEP_BUCKETS) as usize)
}

/// The lower bound of a bucket, for those who read one.
pub fn lower_bound_ns(bucket: usize) -> u64 {
    let sub = (bucket as u64) & ((1 << SUB_BITS) - 1);
    ((1 << SUB_BITS) + sub) << (LEAST_LOG2 - SUB_BITS) << (bucket >> SUB_BITS)
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, LEAST_NS, MOST_NS, bucket, lower_bound_ns};

    #[test]
    fn each_bucket_begins_where_the_one_before_it_ends() {
        for index in 1..BUCKETS {
            let lowest = lower_bound_ns(index);
            assert_eq!(bucket(lowest), index, "lowest of bucket {index}");
            assert_eq!(
                bucket(lowest - 1),
                index - 1,
                "highest of bucket {}",
                index - 1
            );
        }
    }

    #[test]
    fn what_is_shorter_or_longer_is_in_the_first_or_last() {
        assert_eq!(lower_bound_ns(0), LEAST_NS);
        for duration_ns in [0, 1, LEAST_NS - 1, LEAST_NS] {
            assert_eq!(bucket(duration_ns), 0, "{duration_ns}");
        }
        for duration_ns in [MOST_NS, MOST_NS + 1, 1 << 40, i64::MAX as u64, u64::MAX] {
            assert_eq!(bucket(duration_ns), BUCKETS - 1, "{duration_ns}");
        }
    }

    #[test]
    fn the_middle_of_a_bucket_is_off_by_an_eighth_at_most() {
        for index in 0..BUCKETS - 1 {
            let (from, to) = (lower_bound_ns(index), lower_bound_ns(index + 1));
            assert!((to - from) * 4 <= from, "bucket {index}: {from} to {to}");
        }
    }
}
