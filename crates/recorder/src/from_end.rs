//! Looking up times that are mostly the latest ones.

/// As `partition_point` of a slice, in steps that are as many as the place is far from the end, as a power of two.
pub fn partition_from_end<T>(items: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let mut end = items.len();
    let mut step = 1;
    while step <= items.len() {
        let probe = items.len() - step;
        if is_before(&items[probe]) {
            break;
        }
        end = probe;
        step *= 2;
    }
    let begin = (items.len() + 1).saturating_sub(step);
    let begin = begin.min(end);
    begin + items[begin..end].partition_point(is_before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::partition_from_end;

    proptest! {
        #[test]
        fn it_finds_what_a_slice_finds(mut items in prop::collection::vec(0u32..50, 0..100), bound in 0u32..50) {
            items.sort_unstable();
            let is_before = |item: &u32| *item < bound;
            prop_assert_eq!(partition_from_end(&items, is_before), items.partition_point(is_before));
        }
    }
}
