//! Which of the windows' edges are to be looked at in /proc, and when: what is stopped, and what the hypervisor has taken, is known
//! only for the time at which one asks.

use crate::session::state::State;
use crate::session::steal::StolenTime;
use crate::session::window::{PendingWindow, Stage, Unseen};
use crate::targets::stopped::StoppedThreads;

/// While a window is armed that a trigger opens without waking anybody, its edge is looked for so often: within a clock tick.
const ARMED_LOOK_NS: u64 = 8_000_000;

impl State {
    /// Which edges have been there without anybody having looked what /proc says then.
    pub fn unseen(&self, now_ns: u64) -> Vec<(u32, Unseen)> {
        let unseen = |window: &PendingWindow| (window.number, window.unseen(now_ns));
        let edges = self.windows.iter().map(unseen);
        edges
            .filter(|(_, edges)| *edges != Unseen::default())
            .collect()
    }

    /// What a look at these edges has found.
    pub fn note(
        &mut self,
        edges: &[(u32, Unseen)],
        stopped: Option<&StoppedThreads>,
        stolen: Option<StolenTime>,
    ) {
        for window in &mut self.windows {
            if let Some((_, edges)) = edges.iter().find(|(number, _)| *number == window.number) {
                window.note(*edges, stopped, stolen);
            }
        }
    }

    /// When the next edge will have been there of which nobody will be woken.
    pub fn next_look_ns(&self, now_ns: u64) -> Option<u64> {
        let mut is_next = true;
        let next = |window: &PendingWindow| match window.stage {
            // Those behind one that is armed or open are opened no sooner than that is closed, of which one is woken.
            Stage::Armed if !std::mem::take(&mut is_next) => None,
            Stage::Armed => window
                .length_ns
                .is_none()
                .then(|| now_ns.saturating_add(ARMED_LOOK_NS)),
            Stage::Open(_) => {
                is_next = false;
                window.length_ns.map(|_| window.stop_ns())
            }
            // Told before its time.
            Stage::Closed(..) => Some(window.stop_ns()).filter(|&stop_ns| stop_ns > now_ns),
        };
        self.windows.iter().filter_map(next).min()
    }
}
