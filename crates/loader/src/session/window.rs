//! One window, from the decision to have it until it has been read: which edge came when, and who set it.

use std::sync::{Arc, Mutex, PoisonError};

use abi::control::{Edge, EdgeKind, UNTIL_CLOSED};

use crate::kernel::clock::{monotonic_ns, wall_ns};
use crate::names::text::name_of;
use crate::sample::{Start, Stop, StopReason, TriggeringThread};
use crate::session::steal::StolenTime;
use crate::targets::stopped::{StoppedAtStart, StoppedThreads};
use crate::threads::seen::Seen;

#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// For the start trigger to open.
    Armed,
    Open(Start),
    Closed(Start, Stop),
}

/// The threads of a window that have ended and been harvested, for as long as it is harvested.
#[derive(Clone)]
pub struct Harvested(Arc<Mutex<Option<Seen>>>);

impl Harvested {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Seen::default()))))
    }

    /// `None`: its reader has them, and its records.
    pub fn with<T>(&self, use_them: impl FnOnce(&mut Seen) -> T) -> Option<T> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_mut().map(use_them)
    }

    /// From now on the window's records are the caller's.
    pub fn take(&self) -> Seen {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take().unwrap_or_default()
    }
}

pub struct PendingWindow {
    pub number: u32,
    /// `None`: until it is closed.
    pub length_ns: Option<u64>,
    pub stage: Stage,
    pub stopped: StoppedAtStart,
    /// `None`: not read yet, or the kernel does not tell.
    pub stolen_at_start: Option<StolenTime>,
    pub stolen_at_stop: Option<StolenTime>,
    pub harvested: Harvested,
}

/// A window that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub number: u32,
    pub start_ns: u64,
    /// [`UNTIL_CLOSED`]: it goes on.
    pub stop_ns: u64,
}

/// What is to be looked up in /proc, as an edge has been there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    pub start: bool,
    pub stop: bool,
}

impl PendingWindow {
    pub fn new(number: u32, length_ns: Option<u64>) -> Self {
        Self {
            number,
            length_ns,
            stage: Stage::Armed,
            stopped: StoppedAtStart::default(),
            stolen_at_start: None,
            stolen_at_stop: None,
            harvested: Harvested::new(),
        }
    }

    /// Which of its edges has been there without anybody having looked.
    pub fn unseen(&self, now_ns: u64) -> Unseen {
        let is_open = !matches!(self.stage, Stage::Armed);
        Unseen {
            start: is_open && self.is_opened_by_trigger() && self.stopped.after.is_none(),
            stop: self.is_closed() && self.stolen_at_stop.is_none() && self.stop_ns() <= now_ns,
        }
    }

    /// What was found by a look that was begun after both of these edges.
    pub fn note(
        &mut self,
        seen: Unseen,
        stopped: Option<&StoppedThreads>,
        stolen: Option<StolenTime>,
    ) {
        if seen.start {
            self.stopped.after = stopped.cloned();
            self.stolen_at_start = stolen;
        }
        if seen.stop {
            self.stolen_at_stop = stolen;
        }
    }

    /// From when to when it is, if it has begun.
    pub fn span(&self) -> Option<Span> {
        match &self.stage {
            Stage::Armed => None,
            Stage::Open(start) | Stage::Closed(start, _) => Some(Span {
                number: self.number,
                start_ns: start.at_ns,
                stop_ns: self.stop_ns(),
            }),
        }
    }

    fn is_opened_by_trigger(&self) -> bool {
        match &self.stage {
            Stage::Open(start) | Stage::Closed(start, _) => start.by.is_some(),
            Stage::Armed => false,
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
                let (reason, by) = if edge.kind == EdgeKind::Left as u32 {
                    (StopReason::Left, None)
                } else if edge.kind == EdgeKind::Ended as u32 {
                    (StopReason::Exit, None)
                } else if by.is_some() {
                    (StopReason::Trigger, by)
                } else {
                    (reason, None)
                };
                let stop = Stop {
                    at_ns: edge.at_ns,
                    reason,
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
    use super::{PendingWindow, Stage, StolenTime, StopReason, StoppedThreads, Unseen};
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
        assert_eq!(window.span(), None);
        window.take(&edge(EdgeKind::Opened, 5, 1), StopReason::Interrupt);
        let Stage::Open(start) = &window.stage else {
            panic!("{:?}", window.stage)
        };
        let by = start.by.clone().unwrap();
        assert_eq!((by.pid, by.tid, by.comm.as_str()), (10, 11, "worker"));
        assert_eq!(window.stop_ns(), UNTIL_CLOSED);
        let span = window.span().unwrap();
        assert_eq!(
            (span.number, span.start_ns, span.stop_ns),
            (1, 5, UNTIL_CLOSED)
        );
        window.expire(u64::MAX / 4);
        assert_eq!(stop(&window), None);
        window.take(&edge(EdgeKind::Closed, 9, 1), StopReason::Interrupt);
        assert_eq!(stop(&window), Some((9, StopReason::Trigger, true)));
        window.take(&edge(EdgeKind::Closed, 12, 0), StopReason::Interrupt);
        assert_eq!(stop(&window), Some((9, StopReason::Trigger, true)));
    }

    #[test]
    fn a_call_that_does_not_return_closes_its_window_without_a_trigger() {
        for (kind, reason) in [
            (EdgeKind::Left, StopReason::Left),
            (EdgeKind::Ended, StopReason::Exit),
        ] {
            let mut window = PendingWindow::new(1, None);
            window.take(&edge(EdgeKind::Opened, 5, 1), StopReason::Interrupt);
            window.take(&edge(kind, 9, 1), StopReason::Interrupt);
            assert_eq!(stop(&window), Some((9, reason, false)));
        }
    }

    #[test]
    fn each_edge_is_looked_at_once() {
        let unseen = |window: &PendingWindow, now_ns| {
            let Unseen { start, stop } = window.unseen(now_ns);
            (start, stop)
        };
        let stolen = StolenTime::now();
        let mut window = PendingWindow::new(1, Some(100));
        assert_eq!(unseen(&window, 4), (false, false));
        window.take(&edge(EdgeKind::Opened, 5, 1), StopReason::Interrupt);
        assert_eq!(unseen(&window, 6), (true, false));
        let opened = window.unseen(6);
        window.note(opened, Some(&StoppedThreads::default()), stolen);
        assert_eq!(unseen(&window, 7), (false, false));
        window.expire(105);
        assert_eq!(
            unseen(&window, 104),
            (false, false),
            "it was told before its time"
        );
        assert_eq!(unseen(&window, 105), (false, true));
        let closed = window.unseen(105);
        window.note(closed, None, stolen);
        assert_eq!(unseen(&window, 106), (false, stolen.is_none()));
        assert!(window.stopped.after.is_some());
    }

    #[test]
    fn what_a_reader_has_taken_is_no_longer_harvested() {
        let window = PendingWindow::new(1, None);
        let harvested = window.harvested.clone();
        assert!(harvested.with(|seen| seen.switches_missed = 3).is_some());
        assert_eq!(window.harvested.take().switches_missed, 3);
        assert!(harvested.with(|_| ()).is_none());
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
