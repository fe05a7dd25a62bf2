//! What a thread's waits of a window were for, summed up.

use crate::machine::Machine;
use crate::task::TaskId;
use crate::tree::{Branch, Tree};
use crate::walk::{Limits, Parts, Role, Step, Walk};

/// Different ways of one thread that are told apart.
const MOST_PLACES: usize = 4096;

/// For each wait: enough for a lock that is handed over some hundreds of times meanwhile.
const LIMITS: Limits = Limits {
    steps: 16,
    looks: 1024,
};

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
        self.add(way.iter().copied(), to_ns - from_ns);
    }
}

impl Chains {
    /// What the thread waited for from then to then: a time that is one wait, or part of one.
    pub fn add(&mut self, machine: &Machine, task: TaskId, from_ns: u64, to_ns: u64) {
        self.tree.begin_sum();
        let mut walk = Walk::new(machine, LIMITS, &mut self.tree);
        walk.follow(task, Role::Own, from_ns, to_ns);
    }

    /// What each kind of wait was for, the longest first; each adds up to what is above it.
    pub fn branches(&self, machine: &Machine) -> Vec<Branch<Step>> {
        self.tree.branches(|step| step.resolved(machine))
    }
}
