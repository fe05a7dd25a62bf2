//! One window, from the decision to have it until it has been read: which edge came when, and who set it.

use std::collections::HashSet;

use abi::control::{Edge, EdgeKind, UNTIL_CLOSED};

use crate::kernel::clock::{monotonic_ns, wall_ns};
use crate::names::text::name_of;
use crate::sample::{Start, Stop, StopReason, TriggeringThread};
use crate::threads::seen::Seen;

#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// For the start trigger to open.
    Armed,
    Open(Start),
    Closed(Start, Stop),
}

pub struct PendingWindow {
    pub number: u32,
    /// `None`: until it is closed.
    pub length_ns: Option<u64>,
    pub stage: Stage,
    pub stopped_at_start: HashSet<u32>,
    /// What the hypervisor had taken by then; `None`: unknown.
    pub stolen_at_start_ns: Option<u64>,
    /// The threads of the window that have ended and been harvested.
    pub seen: Seen,
}

impl PendingWindow {
    pub fn new(number: u32, length_ns: Option<u64>) -> Self {
        Self {
            number,
            length_ns,
            stage: Stage::Armed,
            stopped_at_start: HashSet::new(),
            stolen_at_start_ns: None,
            seen: Seen::default(),
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed(..))
    }

    /// When an open window ends by itself; [`UNTIL_CLOSED`] if it does not.
    pub fn stop_ns(&self) -> u64 {
        match (&self.stage, self.length_ns) {
            (Stage::Open(start), Some(length_ns)) => {
                start.at_ns.saturating_add(length_ns).min(UNTIL_CLOSED)
            }
            (Stage::Closed(_, stop), _) => stop.at_ns,
            _ => UNTIL_CLOSED,
        }
    }

    /// What a program or a trigger has done to this window. `reason` is why user space asked for it, if it did.
    pub fn take(&mut self, edge: &Edge, reason: StopReason) {
        let by = (edge.by_trigger != 0).then(|| TriggeringThread {
            pid: edge.tgid,
            tid: edge.tid,
            comm: name_of(&edge.comm),
        });
        let is_opening = edge.kind == EdgeKind::Opened as u32;
        match std::mem::replace(&mut self.stage, Stage::Armed) {
            Stage::Armed if is_opening => {
                self.stage = Stage::Open(Start {
                    at_ns: edge.at_ns,
                    wall_ns: wall_ns().saturating_sub(monotonic_ns().saturating_sub(edge.at_ns)),
                    by,
                    triggers_missed: edge.triggers_missed,
                });
            }
            Stage::Open(start) if !is_opening => {
                let stop = Stop {
                    at_ns: edge.at_ns,
                    reason: if by.is_some() {
                        StopReason::Trigger
                    } else {
                        reason
                    },
                    by,
                };
                self.stage = Stage::Closed(start, stop);
            }
            other => self.stage = other,
        }
    }

    /// Closed by its length, if that is over.
    pub fn expire(&mut self, now_ns: u64) {
        let stop_ns = self.stop_ns();
        if now_ns < stop_ns {
            return;
        }
        if let Stage::Open(start) = &self.stage {
            let stop = Stop {
                at_ns: stop_ns,
                reason: StopReason::Time,
                by: None,
            };
            self.stage = Stage::Closed(start.clone(), stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PendingWindow, Stage, StopReason};
    use abi::control::{Edge, EdgeKind, UNTIL_CLOSED};

    fn edge(kind: EdgeKind, at_ns: u64, by_trigger: u32) -> Edge {
        Edge {
            at_ns,
            window: 1,
            kind: kind as u32,
            by_trigger,
            tgid: 10,
            tid: 11,
            triggers_missed: 0,
            comm: *b"worker\0\0\0\0\0\0\0\0\0\0",
        }
    }

    fn stop(window: &PendingWindow) -> Option<(u64, StopReason, bool)> {
        match &window.stage {
            Stage::Closed(_, stop) => Some((stop.at_ns, stop.reason, stop.by.is_some())),
            _ => None,
        }
    }

    #[test]
    fn a_trigger_opens_and_a_trigger_closes() {
        let mut window = PendingWindow::new(1, None);
        window.take(&edge(EdgeKind::Opened, 5, 1), StopReason::Interrupt);
        let Stage::Open(start) = &window.stage else {
            panic!("{:?}", window.stage)
        };
        let by = start.by.clone().unwrap();
        assert_eq!((by.pid, by.tid, by.comm.as_str()), (10, 11, "worker"));
        assert_eq!(window.stop_ns(), UNTIL_CLOSED);
        window.expire(u64::MAX / 4);
        assert_eq!(stop(&window), None);
        window.take(&edge(EdgeKind::Closed, 9, 1), StopReason::Interrupt);
        assert_eq!(stop(&window), Some((9, StopReason::Trigger, true)));
        window.take(&edge(EdgeKind::Closed, 12, 0), StopReason::Interrupt);
        assert_eq!(stop(&window), Some((9, StopReason::Trigger, true)));
    }

    #[test]
    fn a_window_of_a_given_length_ends_by_itself_unless_it_is_closed_before() {
        let mut window = PendingWindow::new(1, Some(100));
        window.take(&edge(EdgeKind::Opened, 5, 0), StopReason::Interrupt);
        window.expire(104);
        assert_eq!(stop(&window), None);
        window.expire(105);
        assert_eq!(stop(&window), Some((105, StopReason::Time, false)));

        let mut window = PendingWindow::new(2, Some(u64::MAX));
        window.take(&edge(EdgeKind::Opened, 5, 0), StopReason::Interrupt);
        window.take(&edge(EdgeKind::Closed, 50, 0), StopReason::Exit);
        assert_eq!(stop(&window), Some((50, StopReason::Exit, false)));
    }
}
