//! Whose turn it was on a CPU, one after the other.

use crate::from_end::partition_from_end;
use crate::task::TaskId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    Task(TaskId),
    /// The CPU had nothing to do.
    Idle,
    /// What its next switch tells.
    Unseen,
    /// Nobody knows.
    Unknown,
}

/// The turns of one CPU, without gaps; the last one goes on.
pub struct Turns {
    /// From when on. Never empty.
    turns: Vec<(u64, Turn)>,
}

impl Turns {
    pub fn since(from_ns: u64) -> Self {
        Self {
            turns: vec![(from_ns, Turn::Unseen)],
        }
    }

    pub fn latest(&self) -> Turn {
        self.turns.last().map_or(Turn::Unseen, |&(_, turn)| turn)
    }

    /// How many are remembered.
    pub fn count(&self) -> usize {
        self.turns.len()
    }

    pub fn begin(&mut self, at_ns: u64, turn: Turn) {
        let from_ns = self
            .turns
            .last()
            .map_or(at_ns, |&(from_ns, _)| at_ns.max(from_ns));
        self.turns.push((from_ns, turn));
    }

    /// The turn that goes on is another one's than was believed.
    pub fn correct(&mut self, turn: Turn) {
        if let Some(latest) = self.turns.last_mut() {
            latest.1 = turn;
        }
    }

    /// Whose turns it was from then to then, as far back as is known: from when to when, the latest first. They add up to the time.
    pub fn between(&self, from_ns: u64, to_ns: u64) -> impl Iterator<Item = (u64, u64, Turn)> {
        let end = partition_from_end(&self.turns, |&(begin_ns, _)| begin_ns < to_ns);
        let mut earlier = self.turns[..end].iter().rev();
        let mut until_ns = to_ns;
        std::iter::from_fn(move || {
            if until_ns <= from_ns {
                return None;
            }
            // Before the first one that is known nobody knows.
            let &(begin_ns, turn) = earlier.next().unwrap_or(&(from_ns, Turn::Unknown));
            let part = (begin_ns.max(from_ns), until_ns, turn);
            until_ns = part.0;
            Some(part)
        })
        .filter(|(from_ns, to_ns, _)| from_ns < to_ns)
    }

    /// As of [`crate::task::Task::forget`].
    pub fn forget(&mut self, until_ns: u64) {
        let first = self
            .turns
            .partition_point(|&(from_ns, _)| from_ns <= until_ns)
            .saturating_sub(1);
        if first >= self.turns.len() / 2 {
            self.turns.drain(..first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Turn, Turns};
    use crate::task::TaskId;

    fn turns() -> Turns {
        // 100      110        120
        //  | a      | idle     | b …
        let mut turns = Turns::since(100);
        turns.correct(Turn::Task(TaskId(1)));
        turns.begin(110, Turn::Idle);
        turns.begin(120, Turn::Task(TaskId(2)));
        turns
    }

    fn between(from_ns: u64, to_ns: u64) -> Vec<(u64, u64, Turn)> {
        turns().between(from_ns, to_ns).collect()
    }

    #[test]
    fn the_turns_of_a_time_add_up_to_it() {
        let (a, b) = (Turn::Task(TaskId(1)), Turn::Task(TaskId(2)));
        assert_eq!(between(105, 107), [(105, 107, a)]);
        assert_eq!(
            between(105, 130),
            [(120, 130, b), (110, 120, Turn::Idle), (105, 110, a)]
        );
        assert_eq!(between(110, 120), [(110, 120, Turn::Idle)]);
        assert_eq!(between(90, 105), [(100, 105, a), (90, 100, Turn::Unknown)]);
        assert_eq!(between(80, 90), [(80, 90, Turn::Unknown)]);
        assert_eq!(between(115, 115), []);
    }

    #[test]
    fn what_is_forgotten_is_unknown() {
        let mut turns = turns();
        turns.forget(105);
        assert_eq!(turns.count(), 3);
        turns.forget(125);
        let left: Vec<_> = turns.between(105, 125).collect();
        assert_eq!(
            left,
            [(120, 125, Turn::Task(TaskId(2))), (105, 120, Turn::Unknown)]
        );
    }
}
