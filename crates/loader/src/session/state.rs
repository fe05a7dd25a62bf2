//! What a session is doing: the windows that are armed, open, or closed but not read, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;

use abi::control::Losses;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::clock::monotonic_ns;
use crate::probes::control::{self, Control};
use crate::sample::{Start, Stop, StopReason};
use crate::session::attached::Attached;
use crate::session::news::News;
use crate::session::steal::StolenTime;
use crate::session::window::{PendingWindow, Stage};
use crate::targets::stopped::StoppedThreads;

/// Between the decision to close a window and its edge: many times what telling the programs takes.
const CLOSING_NOTICE_NS: u64 = 200_000;

pub struct State {
    /// `None` once closed.
    attached: Option<Arc<Attached>>,
    /// What is left of a closed session, for the harvester to drop: the last one that does detaches, which takes its time.
    remains: Option<(Arc<Attached>, VecDeque<PendingWindow>)>,
    control: Control,
    pub windows: VecDeque<PendingWindow>,
    /// Edges of the oldest window of all, if it was read already and nobody has asked for its sample.
    pub taken: Option<(Start, Stop)>,
    is_reading: bool,
    /// The number that was given out last.
    latest: u32,
    /// Why the windows that were armed last will never open.
    pub called_off: Option<StopReason>,
    /// The programs' counters, up to the last sample.
    counted: Counted,
    /// What went wrong behind the caller's back; the next read says so.
    failure: Option<Error>,
    news: Arc<News>,
}

#[derive(Clone, Copy, Default)]
pub struct Counted {
    pub losses: Losses,
    pub recursion_misses: Option<u64>,
}

impl Counted {
    /// And why something of it is unknown.
    pub fn by_now(attached: &Attached) -> (Self, Result<()>) {
        let (recursion_misses, result) = match attached.probes.recursion_misses() {
            Ok(misses) => (misses, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let losses = attached.maps.losses();
        let counted = Self {
            losses,
            recursion_misses,
        };
        (counted, result)
    }
}

/// What /proc said before a window was opened or armed.
pub struct Before {
    pub stopped: StoppedThreads,
    pub stolen: Option<StolenTime>,
}

/// A window that was taken out to be read.
pub struct Closed {
    pub window: PendingWindow,
    pub start: Start,
    pub stop: Stop,
    pub attached: Arc<Attached>,
}

impl State {
    pub fn new(attached: Attached, control: Control, news: Arc<News>) -> Self {
        Self {
            attached: Some(Arc::new(attached)),
            remains: None,
            control,
            windows: VecDeque::new(),
            taken: None,
            is_reading: false,
            latest: 0,
            called_off: None,
            counted: Counted::default(),
            failure: None,
            news,
        }
    }

    pub fn attached(&self) -> Result<&Arc<Attached>> {
        self.attached.as_ref().ok_or_else(closed)
    }

    pub fn is_closed(&self) -> bool {
        self.attached.is_none()
    }

    /// No window is pending. Of a closed session nobody knows: one may be open until it is detached.
    pub fn is_idle(&self) -> bool {
        self.attached.is_some() && self.windows.is_empty()
    }

    /// Opens the next window, or arms it for the start trigger.
    pub fn begin_window(&mut self, length_ns: Option<u64>, before: Before) -> Result<()> {
        let attached = Arc::clone(self.attached()?);
        if self.windows.is_empty() && !self.is_reading {
            // Programs that find themselves running are counted between windows too.
            let (counted, result) = Counted::by_now(&attached);
            result?;
            self.counted = counted;
        }
        if let Some(events) = &attached.events {
            events.await_more(true);
        }
        let mut window = PendingWindow::new(self.latest + 1, length_ns);
        window.stopped.before = before.stopped;
        if attached.has_start_trigger {
            control::arm(&attached.probes, length_ns)?;
        } else {
            window.stolen_at_start = before.stolen;
            control::open(&attached.probes, length_ns)?;
        }
        self.latest += 1;
        self.called_off = None;
        self.windows.push_back(window);
        self.take_edges(StopReason::Interrupt);
        self.news.for_harvester.raise();
        Ok(())
    }

    /// The stage of the first window that is not closed.
    pub fn liveliest(&self) -> Option<&Stage> {
        self.windows
            .iter()
            .map(|window| &window.stage)
            .find(|stage| !matches!(stage, Stage::Closed(..)))
    }

    /// Takes in what triggers have done, and what user space has, for this reason.
    fn take_edges(&mut self, reason: StopReason) {
        while let Some(edge) = self.control.next_edge() {
            self.news.raise();
            for window in &mut self.windows {
                if window.number < edge.window {
                    window.expire(edge.at_ns);
                } else if window.number == edge.window {
                    window.take(&edge, reason);
                }
            }
        }
    }

    /// Brings the windows up to date: closes the open one if it is time, or if nobody is left to be seen in it.
    pub fn advance(&mut self, any_alive: bool) -> Result<()> {
        self.take_edges(StopReason::Interrupt);
        let now_ns = monotonic_ns();
        for window in &mut self.windows {
            window.expire(now_ns);
        }
        if !any_alive && self.windows.iter().any(|window| !window.is_closed()) {
            self.call_off(StopReason::Exit)?;
        }
        Ok(())
    }

    /// Closes the open window, and takes back those that are only armed.
    pub fn call_off(&mut self, reason: StopReason) -> Result<()> {
        let Some(attached) = self.attached.clone() else {
            return Ok(());
        };
        if attached.has_start_trigger {
            control::disarm(&attached.probes)?;
        }
        self.take_edges(reason);
        self.close_window(&attached, reason)?;
        let armed = self.windows.len();
        self.windows.retain(|window| window.stage != Stage::Armed);
        if self.windows.len() < armed {
            self.called_off = Some(reason);
        }
        // Their numbers go to the next ones.
        self.latest -= (armed - self.windows.len()) as u32;
        if let Some(events) = attached.events.as_ref().filter(|_| self.windows.is_empty()) {
            events.await_more(false);
        }
        self.news.raise();
        Ok(())
    }

    /// Closes the open window a moment from now, so that the programs know the edge before it comes.
    fn close_window(&mut self, attached: &Attached, reason: StopReason) -> Result<()> {
        let is_open = |window: &PendingWindow| matches!(window.stage, Stage::Open(_));
        let Some(open) = self.windows.iter().find(|window| is_open(window)) else {
            return Ok(());
        };
        let open_until_ns = open.stop_ns();
        let soon_ns = || monotonic_ns().saturating_add(CLOSING_NOTICE_NS);
        control::close(&attached.probes, || soon_ns().min(open_until_ns))?;
        self.take_edges(reason);
        // Without an edge it ended by itself in this very moment.
        for window in &mut self.windows {
            window.expire(soon_ns());
        }
        Ok(())
    }

    /// The oldest window's edges, if it is closed.
    pub fn closed_window(&self) -> Option<(&Start, &Stop)> {
        if let Some((start, stop)) = &self.taken {
            return Some((start, stop));
        }
        match &self.windows.front()?.stage {
            Stage::Closed(start, stop) => Some((start, stop)),
            _ => None,
        }
    }

    /// Takes the oldest window out to be read; [`Self::end_reading`] or [`Self::put_back`] follows.
    pub fn begin_reading(&mut self) -> Result<Closed> {
        let attached = Arc::clone(self.attached()?);
        let window = match self.windows.pop_front() {
            Some(window) if window.is_closed() => window,
            other => {
                let what = match other.as_ref().map(|window| &window.stage) {
                    Some(Stage::Open(_)) => "the window is still open",
                    Some(_) => "the start trigger has not fired",
                    None => "no window",
                };
                if let Some(window) = other {
                    self.windows.push_front(window);
                }
                let message = format!("nothing to read: {what}");
                return Err(Error::new(ErrorKind::WrongState, message));
            }
        };
        let (start, stop) = match &window.stage {
            Stage::Closed(start, stop) => (start.clone(), stop.clone()),
            _ => return Err(closed()),
        };
        self.is_reading = true;
        Ok(Closed {
            window,
            start,
            stop,
            attached,
        })
    }

    /// Nothing was taken from it yet: it can be read again.
    pub fn put_back(&mut self, window: PendingWindow) {
        self.is_reading = false;
        if self.attached.is_some() {
            self.windows.push_front(window);
        }
    }

    /// Its records are free again. Returns what had been counted up to it, and from now on counts from here.
    pub fn end_reading(&mut self, by_now: Option<Counted>) -> Counted {
        self.is_reading = false;
        let before = self.counted;
        if let Some(by_now) = by_now {
            self.counted = by_now;
        }
        if let Err(error) = self.rest_if_idle() {
            self.fail(error);
        }
        before
    }

    /// Nobody waits for a start trigger that finds nothing armed now.
    fn rest_if_idle(&self) -> Result<()> {
        let Some(attached) = self.attached.as_ref().filter(|_| self.windows.is_empty()) else {
            return Ok(());
        };
        if let Some(events) = &attached.events {
            events.await_more(false);
        }
        if attached.has_start_trigger {
            control::rest(&attached.probes)?;
        }
        Ok(())
    }

    pub fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    pub fn take_failure(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// From now on everything says that the session is closed; [`Self::take_remains`] detaches.
    pub fn close(&mut self) {
        let windows = std::mem::take(&mut self.windows);
        if let Some(attached) = self.attached.take() {
            self.remains = Some((attached, windows));
        }
        self.taken = None;
        self.called_off = None;
    }

    /// For whoever has the time to drop it.
    pub fn take_remains(&mut self) -> Option<impl Sized + use<>> {
        self.remains.take()
    }
}

pub fn closed() -> Error {
    Error::new(ErrorKind::WrongState, "the session is closed")
}
