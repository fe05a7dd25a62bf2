//! Log2 histograms of durations.

/// Bucket `i` counts durations of `[2^i, 2^(i+1))` ns; bucket 0 also those of 0 ns; the last is open-ended
/// (9 minutes and more).
pub const BUCKETS: usize = 40;

pub type Histogram = [u32; BUCKETS];

/// The bucket of a duration. Branch-free: eBPF has no count-leading-zeros instruction, and what LLVM makes of
/// `leading_zeros` is twice as long.
#[inline(always)]
pub fn bucket(duration_ns: u64) -> usize {
    let mut rest = duration_ns;
    let mut log2 = u64::from(rest > 0xffff_ffff) << 5;
    rest >>= log2;
    let mut shift = u64::from(rest > 0xffff) << 4;
    rest >>= shift;
    log2 |= shift;
    shift = u64::from(rest > 0xff) << 3;
    rest >>= shift;
    log2 |= shift;
    shift = u64::from(rest > 0xf) << 2;
    rest >>= shift;
    log2 |= shift;
    shift = u64::from(rest > 0x3) << 1;
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
        for log2 in 0..64 {
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
