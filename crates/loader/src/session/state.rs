//! What a session is doing: the windows that are armed, open, or closed but not read, oldest first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::control::Losses;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::clock::monotonic_ns;
use crate::kernel::machine::stolen_ns;
use crate::probes::control;
use crate::sample::{StopReason, Target, Thread};
use crate::session::attached::Attached;
use crate::session::harvest::harvest;
use crate::session::window::{PendingWindow, Stage};
use crate::targets::pidfd::{PidFd, Signal};
use crate::targets::process;
use crate::targets::stopped::stopped_threads;

/// Between the decision to close a window and its edge: many times what telling the programs takes.
const CLOSING_NOTICE_NS: u64 = 200_000;

pub struct State {
    /// `None` once closed: dropping it detaches.
    pub attached: Option<Attached>,
    pub windows: VecDeque<PendingWindow>,
    /// Windows that were closed and will not be read: their records are not free yet.
    pub discarded: Vec<u32>,
    /// The number that was given out last.
    latest: u32,
    /// Why the windows that were armed last will never open.
    pub called_off: Option<StopReason>,
    /// The programs' counters, up to the last sample.
    pub losses_before: Losses,
    pub recursion_misses_before: Option<u64>,
    /// Up to the start of the window that was read last.
    pub triggers_missed_before: u32,
    pub targets: Vec<Target>,
    pub first_pids: Vec<u32>,
    pub follow: bool,
    /// What went wrong behind the caller's back; the next read says so.
    pub failure: Option<Error>,
    /// Raised when edges are taken in: a waiter in another thread finds none of them left.
    edges_taken: Arc<Signal>,
}

pub struct Shared {
    state: Mutex<State>,
    /// Raised once the session is closed, for those who wait without the lock.
    pub closing: Signal,
}

impl Shared {
    pub fn new(state: State, closing: Signal) -> Self {
        Self {
            state: Mutex::new(state),
            closing,
        }
    }

    /// A poisoned lock means that a thread panicked while it held it; the state is still what it was between two calls,
    /// and closing must work.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn new(
        attached: Attached,
        targets: Vec<Target>,
        first_pids: Vec<u32>,
        follow: bool,
        edges_taken: Arc<Signal>,
    ) -> Self {
        Self {
            attached: Some(attached),
            windows: VecDeque::new(),
            discarded: Vec::new(),
            latest: 0,
            called_off: None,
            losses_before: Losses::default(),
            recursion_misses_before: None,
            triggers_missed_before: 0,
            targets,
            first_pids,
            follow,
            failure: None,
            edges_taken,
        }
    }

    pub fn attached(&self) -> Result<&Attached> {
        self.attached.as_ref().ok_or_else(closed)
    }

    /// Opens the next window, or arms it for the start trigger.
    pub fn begin_window(&mut self, length_ns: Option<u64>) -> Result<()> {
        let attached = self.attached.as_ref().ok_or_else(closed)?;
        if self.windows.is_empty() {
            // Programs that find themselves running are counted between windows too.
            self.recursion_misses_before = attached.probes.recursion_misses()?;
            self.losses_before = attached.maps.losses();
        }
        if let Some(events) = &attached.events {
            events.await_more(true);
        }
        let mut window = PendingWindow::new(self.latest + 1, length_ns);
        if attached.has_start_trigger {
            control::arm(&attached.probes, length_ns)?;
        } else {
            window.stopped_at_start = stopped_threads(&self.first_pids)?;
            window.stolen_at_start_ns = stolen_ns();
            control::open(&attached.probes, length_ns)?;
        }
        self.latest += 1;
        self.called_off = None;
        self.windows.push_back(window);
        self.take_edges(StopReason::Interrupt)
    }

    /// The stage of the first window that is not closed.
    pub fn liveliest(&self) -> Option<&Stage> {
        self.windows
            .iter()
            .map(|window| &window.stage)
            .find(|stage| !matches!(stage, Stage::Closed(..)))
    }

    /// Takes in what triggers have done, and what user space has, for this reason.
    fn take_edges(&mut self, reason: StopReason) -> Result<()> {
        let Some(attached) = self.attached.as_mut() else {
            return Ok(());
        };
        while let Some(edge) = attached.control.next_edge() {
            self.edges_taken.raise();
            for window in &mut self.windows {
                if window.number < edge.window {
                    window.expire(edge.at_ns);
                } else if window.number == edge.window {
                    window.take(&edge, reason);
                    if matches!(window.stage, Stage::Open(_)) && edge.by_trigger != 0 {
                        window.stopped_at_start = stopped_threads(&self.first_pids)?;
                        window.stolen_at_start_ns = stolen_ns();
                    }
                }
            }
        }
        Ok(())
    }

    /// Brings the windows up to date: closes the open one if it is time, or if nobody is left to be seen in it.
    pub fn advance(&mut self) -> Result<()> {
        if let Some(attached) = &self.attached
            && let Some(failure) = attached.triggers.take_failure()
        {
            return Err(failure);
        }
        self.take_edges(StopReason::Interrupt)?;
        let now_ns = monotonic_ns();
        for window in &mut self.windows {
            window.expire(now_ns);
        }
        if self.windows.iter().any(|window| !window.is_closed()) && !self.any_alive()? {
            self.call_off(StopReason::Exit)?;
        }
        Ok(())
    }

    /// Closes the open window, and takes back those that are only armed.
    pub fn call_off(&mut self, reason: StopReason) -> Result<()> {
        let Some(attached) = self.attached.as_ref() else {
            return Ok(());
        };
        if attached.has_start_trigger {
            control::disarm(&attached.probes)?;
        }
        self.take_edges(reason)?;
        self.close_window(reason)?;
        let armed = self.windows.len();
        self.windows.retain(|window| window.stage != Stage::Armed);
        if self.windows.len() < armed {
            self.called_off = Some(reason);
        }
        // Their numbers go to the next ones.
        self.latest -= (armed - self.windows.len()) as u32;
        Ok(())
    }

    /// Closes the open window a moment from now, so that the programs know the edge before it comes.
    fn close_window(&mut self, reason: StopReason) -> Result<()> {
        let is_open = |window: &PendingWindow| matches!(window.stage, Stage::Open(_));
        let Some(open) = self.windows.iter().find(|window| is_open(window)) else {
            return Ok(());
        };
        let stop_ns = monotonic_ns()
            .saturating_add(CLOSING_NOTICE_NS)
            .min(open.stop_ns());
        control::close(&self.attached()?.probes, stop_ns)?;
        self.take_edges(reason)?;
        // Without an edge it ended by itself in this very moment.
        for window in &mut self.windows {
            window.expire(stop_ns.max(monotonic_ns()));
        }
        Ok(())
    }

    /// Where children are followed, those that are still in the set replace the targets that have ended.
    pub fn any_alive(&mut self) -> Result<bool> {
        let Some(attached) = self.attached.as_mut() else {
            return Ok(false);
        };
        attached
            .processes
            .retain(|process| !process.has_ended().unwrap_or(false));
        if attached.processes.is_empty() && self.follow {
            for pid in attached.maps.targets()? {
                if let Ok(process) = PidFd::open(pid)
                    && !process.has_ended().unwrap_or(true)
                {
                    attached.processes.push(process);
                }
            }
        }
        Ok(!attached.processes.is_empty())
    }

    /// Takes in the threads that have ended.
    pub fn harvest(&mut self) -> Result<()> {
        match self.attached.as_mut() {
            Some(attached) => harvest(&mut attached.maps, &mut self.windows),
            None => Ok(()),
        }
    }

    pub fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// The targets that were named, and the children in the set.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let mut pids = self.first_pids.clone();
        if let Some(attached) = self.attached.as_ref().filter(|_| self.follow) {
            let mut known: HashSet<u32> = pids.iter().copied().collect();
            let joined = attached.maps.targets()?.into_iter();
            pids.extend(joined.filter(|&pid| known.insert(pid)));
        }
        Ok(pids)
    }

    pub fn name_targets(&mut self, pids: &[u32], threads: &[Thread]) {
        let known: HashSet<u32> = self.targets.iter().map(|target| target.pid).collect();
        let mut leaders: HashMap<u32, &Thread> = Default::default();
        for thread in threads {
            let leader = leaders.entry(thread.pid).or_insert(thread);
            if thread.tid < leader.tid {
                *leader = thread;
            }
        }
        for pid in pids.iter().filter(|pid| !known.contains(pid)) {
            let comm = leaders.get(pid).map_or("", |thread| thread.comm.as_str());
            self.targets.push(process::describe_or(*pid, comm));
        }
    }
}

pub fn closed() -> Error {
    Error::new(ErrorKind::WrongState, "the session is closed")
}
