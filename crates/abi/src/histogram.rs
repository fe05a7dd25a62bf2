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

/// The bucket of a duration below 2^63 ns, which is 292 years.
///
/// eBPF has no instruction that counts leading zeros, and what LLVM makes of `leading_zeros` is twice as long. With jumps
/// the verifier would follow all 2^8 ways through this, at each use.
#[inline(always)]
pub fn bucket(duration_ns: u64) -> usize {
    let duration_ns = duration_ns & i64::MAX as u64;
    let duration_ns = greater(duration_ns, LEAST_NS);
    let duration_ns =
        duration_ns - exceeds(duration_ns, MOST_NS) * duration_ns.wrapping_sub(MOST_NS);
    let mut rest = duration_ns;
    let mut log2 = exceeds(rest, 0xffff_ffff) << 5;
    rest >>= log2;
    let mut shift = exceeds(rest, 0xffff) << 4;
    rest >>= shift;
    log2 |= shift;
    shift = exceeds(rest, 0xff) << 3;
    rest >>= shift;
    log2 |= shift;
    shift = exceeds(rest, 0xf) << 2;
    rest >>= shift;
    log2 |= shift;
    shift = exceeds(rest, 0x3) << 1;
    rest >>= shift;
    log2 |= shift;
    log2 |= rest >> 1;
    // The highest bit and those after it: from 4 to 7.
    let leading = duration_ns >> (log2 - u64::from(SUB_BITS));
    let first = u64::from((LEAST_LOG2 + 1) << SUB_BITS);
    bounded::<BUCKETS>(((log2 << SUB_BITS) + leading - first) as usize)
}

/// The greater of two, without a jump.
#[inline(always)]
fn greater(value: u64, least: u64) -> u64 {
    value + exceeds(least, value) * least.wrapping_sub(value)
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
