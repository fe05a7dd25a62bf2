//! What a thread's waits of a window were for, summed up.

use crate::machine::Machine;
use crate::task::TaskId;
use crate::tree::{Branch, Tree};
use crate::walk::{Limits, Parts, Role, Step, Walk};

/// Different ways of one thread that are told apart.
const MOST_PLACES: usize = 4096;

pub const MOST_STEPS: usize = 16;

/// What all waits of a window may be looked into, together: each adds to it what is enough for a lock that is handed over some hundreds of
/// times meanwhile, and what waits leave of it is there for the few in which more has happened.
pub struct Looks(usize);

impl Looks {
    pub const EACH: usize = 1024;
    const MOST: usize = 1 << 20;

    /// For the next wait.
    fn for_one(&mut self) -> usize {
        self.0 = (self.0 + Self::EACH).min(Self::MOST);
        self.0
    }
}

impl Default for Looks {
    fn default() -> Self {
        Self(Self::MOST)
    }
}

/// Of one thread.
pub struct Chains {
    tree: Tree<Step>,
}

impl Default for Chains {
    fn default() -> Self {
        Self {
            tree: Tree::new(MOST_PLACES, Step::Others),
        }
    }
}

impl Parts for &mut Tree<Step> {
    fn part(&mut self, way: &[Step], from_ns: u64, to_ns: u64) {
        self.add(way, to_ns - from_ns);
    }
}

impl Chains {
    /// What the thread waited for from then to then: a time that is one wait, or part of one.
    pub fn add(
        &mut self,
        machine: &Machine,
        looks: &mut Looks,
        task: TaskId,
        (from_ns, to_ns): (u64, u64),
    ) {
        self.tree.begin_sum();
        let limits = Limits {
            steps: MOST_STEPS,
            looks: looks.for_one(),
        };
        let mut walk = Walk::new(machine, limits, &mut self.tree);
        walk.follow(task, Role::Own, from_ns, to_ns);
        looks.0 = walk.looks_left();
    }

    /// What each kind of wait was for, the longest first; each adds up to what is above it.
    pub fn branches(&self, machine: &Machine) -> Vec<Branch<Step>> {
        self.tree.branches(|step| step.resolved(machine))
    }
}

#[cfg(test)]
mod tests {
    use super::Looks;

    #[test]
    fn what_waits_leave_is_kept_for_others_but_no_more_than_so_much() {
        let mut looks = Looks::default();
        assert_eq!(looks.for_one(), Looks::MOST);
        looks.0 = 0;
        assert_eq!(looks.for_one(), Looks::EACH);
        // It took half of that.
        looks.0 = Looks::EACH / 2;
        assert_eq!(looks.for_one(), Looks::EACH / 2 + Looks::EACH);
        for _ in 0..2 * Looks::MOST / Looks::EACH {
            looks.for_one();
        }
        assert_eq!(looks.for_one(), Looks::MOST);
    }
}
