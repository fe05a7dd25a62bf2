//! Sums of time, by the way that leads to them: what is below a place adds up to it.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

pub struct Tree<L> {
    places: IndexMap<Way<L>, Sums, FxBuildHasher>,
    /// Where the latest way led: the next one has often begun likewise.
    latest: Vec<usize>,
    most_places: usize,
    /// Of the sum that is being added to.
    sum: u32,
    /// What had no place of its own goes here, below the last that there was.
    others: L,
}

/// What leads to a place: the one above it, and from there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Way<L> {
    above: Option<u32>,
    link: L,
}

/// Of numbers as small as will do: there may be millions of places.
struct Sums {
    total_ns: u64,
    count: u32,
    /// The first and the latest that it has counted.
    first_sum: u32,
    sum: u32,
}

/// A place, and what is below it, the longest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch<L> {
    pub link: L,
    pub total_ns: u64,
    /// In how many sums it has a part, and in which first.
    pub count: u64,
    first_sum: u32,
    pub below: Vec<Branch<L>>,
}

impl<L: Copy + Eq + Hash> Tree<L> {
    /// Of at most so many places, besides one for `others` below each.
    pub fn new(most_places: usize, others: L) -> Self {
        Self {
            places: IndexMap::default(),
            latest: Vec::new(),
            most_places,
            sum: 0,
            others,
        }
    }

    /// What is added from now on is of another sum.
    pub fn begin_sum(&mut self) {
        self.sum = self.sum.wrapping_add(1);
    }

    /// Adds a time to each place of the way.
    pub fn add(&mut self, way: &[L], duration_ns: u64) {
        let mut above = None;
        for (depth, &link) in way.iter().enumerate() {
            let place = self.enter(depth, above, link);
            let Some((way, sums)) = self.places.get_index_mut(place) else {
                return;
            };
            sums.total_ns += duration_ns;
            if sums.sum != self.sum {
                sums.sum = self.sum;
                sums.count = sums.count.saturating_add(1);
            }
            if way.link == self.others {
                return;
            }
            above = Some(place);
        }
    }

    /// The place that is so deep on the way.
    fn enter(&mut self, depth: usize, above: Option<usize>, link: L) -> usize {
        if let Some(&place) = self.latest.get(depth)
            && let Some((way, _)) = self.places.get_index(place)
            && way.link == link
        {
            return place;
        }
        let place = self.place(above, link);
        self.latest.truncate(depth);
        self.latest.push(place);
        place
    }

    fn place(&mut self, above: Option<usize>, link: L) -> usize {
        let above = above.map(|above| above as u32);
        let mut way = Way { above, link };
        if let Some(place) = self.places.get_index_of(&way) {
            return place;
        }
        if self.places.len() >= self.most_places {
            way.link = self.others;
        }
        let place = self.places.entry(way);
        let index = place.index();
        place.or_insert(Sums {
            total_ns: 0,
            count: 0,
            first_sum: self.sum,
            sum: 0,
        });
        index
    }

    /// By other links than were added, where these say it better. Two places may become one that have at most their first sum in common.
    pub fn branches(&self, better: impl Fn(L) -> L) -> Vec<Branch<L>> {
        let mut below: FxHashMap<Option<u32>, Vec<Branch<L>>> = FxHashMap::default();
        // A place comes after the one that is above it.
        for (index, (way, sums)) in self.places.iter().enumerate().rev() {
            let branch = Branch {
                link: better(way.link),
                total_ns: sums.total_ns,
                count: sums.count.into(),
                first_sum: sums.first_sum,
                below: in_sequence(below.remove(&Some(index as u32))),
            };
            below.entry(way.above).or_default().push(branch);
        }
        in_order(in_sequence(below.remove(&None)))
    }
}

/// As they came, from the other way round.
fn in_sequence<L>(branches: Option<Vec<Branch<L>>>) -> Vec<Branch<L>> {
    let mut branches = branches.unwrap_or_default();
    branches.reverse();
    branches
}

/// Each link once, the longest first, and so below each.
fn in_order<L: Copy + Eq + Hash>(branches: Vec<Branch<L>>) -> Vec<Branch<L>> {
    let mut places = FxHashMap::default();
    let mut merged: Vec<Branch<L>> = Vec::with_capacity(branches.len());
    for branch in branches {
        match places.entry(branch.link) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(branch);
            }
            Entry::Occupied(place) => merged[*place.get()].take_in(branch),
        }
    }
    for branch in &mut merged {
        branch.below = in_order(std::mem::take(&mut branch.below));
    }
    // Of as many the one that came first is first.
    merged.sort_by_key(|branch| std::cmp::Reverse(branch.total_ns));
    merged
}

impl<L> Branch<L> {
    fn take_in(&mut self, other: Self) {
        self.total_ns += other.total_ns;
        self.count += other.count - u64::from(self.first_sum == other.first_sum);
        self.first_sum = self.first_sum.min(other.first_sum);
        self.below.extend(other.below);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Branch, Tree};

    const OTHERS: u8 = u8::MAX;

    fn assert_adds_up(branch: &Branch<u8>) {
        let below_ns: u64 = branch.below.iter().map(|below| below.total_ns).sum();
        assert!(branch.below.is_empty() || below_ns == branch.total_ns);
        branch.below.iter().for_each(assert_adds_up);
    }

    fn places(branch: &Branch<u8>) -> usize {
        1 + branch.below.iter().map(places).sum::<usize>()
    }

    #[test]
    fn a_place_counts_a_sum_once_however_many_parts_of_it_it_has() {
        let mut tree = Tree::new(10, OTHERS);
        tree.begin_sum();
        tree.add(&[1, 2], 5);
        tree.add(&[1, 3], 6);
        tree.add(&[1, 2], 7);
        tree.begin_sum();
        tree.add(&[1, 2], 8);
        let [top] = &tree.branches(|link| link)[..] else {
            panic!("one way in")
        };
        assert_eq!((top.count, top.total_ns), (2, 26));
        let below: Vec<_> = top
            .below
            .iter()
            .map(|it| (it.link, it.count, it.total_ns))
            .collect();
        assert_eq!(below, [(2, 2, 20), (3, 1, 6)]);
    }

    /// The first sum of 2 is that of 4, which has a part in another one besides.
    #[test]
    fn places_that_become_one_count_a_sum_once() {
        let mut tree = Tree::new(10, OTHERS);
        for ways in [&[[1, 3]][..], &[[1, 2], [1, 4]], &[[1, 4]]] {
            tree.begin_sum();
            for way in ways {
                tree.add(way, 5);
            }
        }
        let [top] = &tree.branches(|link| if link == 2 { 4 } else { link })[..] else {
            panic!("one way in")
        };
        let below: Vec<_> = top
            .below
            .iter()
            .map(|it| (it.link, it.count, it.total_ns))
            .collect();
        assert_eq!(below, [(4, 2, 15), (3, 1, 5)]);
        assert_adds_up(top);
    }

    proptest! {
        /// All ways are of one length, so that nothing ends in the middle.
        #[test]
        fn what_is_below_adds_up_and_the_places_are_few(
            times in prop::collection::vec((prop::collection::vec(0u8..4, 3), 1u64..1000), 0..200),
            most in 1usize..40,
        ) {
            let mut tree = Tree::new(most, OTHERS);
            let mut sum_ns = 0;
            for (way, duration_ns) in times {
                sum_ns += duration_ns;
                tree.begin_sum();
                tree.add(&way, duration_ns);
            }
            let branches = tree.branches(|link| link);
            prop_assert_eq!(branches.iter().map(|branch| branch.total_ns).sum::<u64>(), sum_ns);
            branches.iter().for_each(assert_adds_up);
            let sum: usize = branches.iter().map(places).sum();
            prop_assert!(sum <= 2 * most + 1, "one for others below each, and one at the top");
        }
    }
}
