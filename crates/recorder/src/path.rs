//! The critical path of a window: from its end back to its beginning, what the thread that the window is about did, or waited for.

use crate::machine::Machine;
use crate::task::TaskId;
use crate::walk::{Limits, Parts, Role, Step, Walk};

/// Segments are as many as there are switches, in the worst case: of a longer path the earlier part is not told.
const LIMITS: Limits = Limits {
    steps: 16,
    looks: 1 << 20,
};

/// A part of the window: the way from the thread to what was going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub from_ns: u64,
    pub to_ns: u64,
    /// Never empty; the first is the thread's own.
    pub way: Vec<Step>,
}

#[derive(Default)]
struct Segments(Vec<Segment>);

impl Parts for Segments {
    fn part(&mut self, way: &[Step], from_ns: u64, to_ns: u64) {
        // The latest come first.
        if let Some(later) = self.0.last_mut()
            && later.from_ns == to_ns
            && later.way == way
        {
            later.from_ns = from_ns;
            return;
        }
        self.0.push(Segment {
            from_ns,
            to_ns,
            way: way.to_vec(),
        });
    }
}

/// The path of this time, from its beginning on: its parts follow each other without a gap.
pub fn critical_path(machine: &Machine, task: TaskId, from_ns: u64, to_ns: u64) -> Vec<Segment> {
    let mut walk = Walk::new(machine, LIMITS, Segments::default());
    walk.follow(task, Role::Own, from_ns, to_ns);
    let mut segments = walk.into_parts().0;
    segments.reverse();
    segments
}
