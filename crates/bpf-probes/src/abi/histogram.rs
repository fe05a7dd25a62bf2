//! Log2 histograms of durations.

use crate::jumpless::exceeds;

/// Bucket `i` counts durations of `[2^i, 2^(i+1))` ns; bucket 0 also those of 0 ns; the last is open-ended
/// (9 minutes and more).
pub const BUCKETS: usize = 40;

pub type Histogram = [u32; BUCKETS];

/// The bucket of a duration below 2^63 ns, which is 292 years.
///
/// eBPF has no instruction that counts leading zeros, and what LLVM makes of `leading_zeros` is twice as long. With jumps
/// the verifier would follow all 2^5 ways through this, at each use.
#[inline(always)]
pub fn bucket(duration_ns: u64) -> usize {
    let mut rest = duration_ns & i64::MAX as u64;
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
    if log2 < BUCKETS as u64 {
        log2 as usize
    } else {
        BUCKETS - 1
    }
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, bucket};

    #[test]
    fn bucket_is_the_integer_log2_up_to_the_last() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for log2 in 0..63 {
            let lowest = 1u64 << log2;
            let expected = log2.min(BUCKETS - 1);
            assert_eq!(bucket(lowest), expected, "lowest of bucket {log2}");
            assert_eq!(
                bucket(lowest | (lowest - 1)),
                expected,
                "highest of bucket {log2}"
            );
        }
    }
}
