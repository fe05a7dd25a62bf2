//! Parts of a whole that were counted apart from it.

/// Cuts parts so that together they are no more than their whole, and none is less than nothing: the greatest are cut first.
///
/// They are counted as things happen. A trigger's stop reaches other CPUs late, and what these counted after it is taken off the
/// whole; and what the kernel has not reported, or what was found out afterwards, may put too much on a part.
pub fn hold_within<T>(parts: &mut [T], whole_ns: i64, part: impl Fn(&mut T) -> &mut i64) {
    let mut sum_ns = 0;
    for owner in parts.iter_mut() {
        let part_ns = part(owner);
        *part_ns = (*part_ns).max(0);
        sum_ns += *part_ns;
    }
    let mut excess_ns = sum_ns - whole_ns.max(0);
    while excess_ns > 0
        && let Some(greatest_ns) = parts.iter_mut().map(&part).max()
        && *greatest_ns > 0
    {
        let cut_ns = excess_ns.min(*greatest_ns);
        *greatest_ns -= cut_ns;
        excess_ns -= cut_ns;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::hold_within;

    fn held(mut parts: Vec<i64>, whole_ns: i64) -> Vec<i64> {
        hold_within(&mut parts, whole_ns, |part| part);
        parts
    }

    #[test]
    fn the_greatest_are_cut_first() {
        assert_eq!(held(vec![3, 9, 4], 16), [3, 9, 4]);
        assert_eq!(held(vec![3, 9, 4], 10), [3, 3, 4]);
        assert_eq!(held(vec![3, 9, 4], 5), [3, 0, 2]);
        assert_eq!(held(vec![3, -1, 4], 7), [3, 0, 4]);
        assert_eq!(held(vec![3, 9], -5), [0, 0]);
    }

    proptest! {
        #[test]
        fn parts_are_held(parts in prop::collection::vec(-1_000i64..1_000_000, 0..20), whole_ns in -10i64..5_000_000) {
            let sum_ns: i64 = parts.iter().map(|part| part.max(&0)).sum();
            let after = held(parts.clone(), whole_ns);
            prop_assert_eq!(after.iter().sum::<i64>(), sum_ns.min(whole_ns.max(0)));
            for (before, after) in parts.iter().zip(&after) {
                prop_assert!(0 <= *after && *after <= *before.max(&0));
            }
        }
    }
}
