//! Sums of time, by the way that leads to them: what is below a place adds up to it.

use std::hash::Hash;

use rustc_hash::FxHashMap;

pub struct Tree<L> {
    places: Vec<Place<L>>,
    by_way: FxHashMap<(Option<usize>, L), usize>,
    most_places: usize,
    /// Of the sum that is being added to.
    sum: u64,
    /// What had no place of its own goes here, below the last that there was.
    others: L,
}

struct Place<L> {
    link: L,
    above: Option<usize>,
    total_ns: u64,
    count: u64,
    /// The latest that it has counted.
    sum: u64,
}

/// A place, and what is below it, the longest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch<L> {
    pub link: L,
    pub total_ns: u64,
    /// In how many sums it has a part.
    pub count: u64,
    pub below: Vec<Branch<L>>,
}

impl<L: Copy + Eq + Hash> Tree<L> {
    /// Of at most so many places, besides one for `others` below each.
    pub fn new(most_places: usize, others: L) -> Self {
        Self {
            places: Vec::new(),
            by_way: FxHashMap::default(),
            most_places,
            sum: 0,
            others,
        }
    }

    /// What is added from now on is of another sum.
    pub fn begin_sum(&mut self) {
        self.sum += 1;
    }

    /// Adds a time to each place of the way.
    pub fn add(&mut self, way: impl IntoIterator<Item = L>, duration_ns: u64) {
        let mut above = None;
        for link in way {
            let place = self.place(above, link);
            let counted = &mut self.places[place];
            counted.total_ns += duration_ns;
            if counted.sum != self.sum {
                counted.sum = self.sum;
                counted.count += 1;
            }
            if counted.link == self.others {
                return;
            }
            above = Some(place);
        }
    }

    fn place(&mut self, above: Option<usize>, link: L) -> usize {
        let link = match self.by_way.get(&(above, link)) {
            Some(&place) => return place,
            None if self.places.len() >= self.most_places => self.others,
            None => link,
        };
        if let Some(&place) = self.by_way.get(&(above, link)) {
            return place;
        }
        let place = self.places.len();
        self.places.push(Place {
            link,
            above,
            total_ns: 0,
            count: 0,
            sum: 0,
        });
        self.by_way.insert((above, link), place);
        place
    }

    pub fn branches(&self) -> Vec<Branch<L>> {
        let mut below: FxHashMap<Option<usize>, Vec<Branch<L>>> = FxHashMap::default();
        // A place comes after the one that is above it.
        for (index, place) in self.places.iter().enumerate().rev() {
            let branch = Branch {
                link: place.link,
                total_ns: place.total_ns,
                count: place.count,
                below: sorted(below.remove(&Some(index)).unwrap_or_default()),
            };
            below.entry(place.above).or_default().push(branch);
        }
        sorted(below.remove(&None).unwrap_or_default())
    }
}

/// Of as many the one that came first is first.
fn sorted<L>(mut branches: Vec<Branch<L>>) -> Vec<Branch<L>> {
    branches.reverse();
    branches.sort_by_key(|branch| std::cmp::Reverse(branch.total_ns));
    branches
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
        tree.add([1, 2], 5);
        tree.add([1, 3], 6);
        tree.add([1, 2], 7);
        tree.begin_sum();
        tree.add([1, 2], 8);
        let [top] = &tree.branches()[..] else {
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
                tree.add(way, duration_ns);
            }
            let branches = tree.branches();
            prop_assert_eq!(branches.iter().map(|branch| branch.total_ns).sum::<u64>(), sum_ns);
            branches.iter().for_each(assert_adds_up);
            let sum: usize = branches.iter().map(places).sum();
            prop_assert!(sum <= 2 * most + 1, "one for others below each, and one at the top");
        }
    }
}
