//! A capture session: probes attached to a set of processes, and one window after the other over them.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::control::UNTIL_CLOSED;

use crate::calls::recorded::Recorded;
use crate::calls::stack_table::Symbols;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::clock::monotonic_ns;
use crate::options::Options;
use crate::sample::{Start, Stop, StopReason};
use crate::session::attached::Attached;
use crate::session::harvester;
use crate::session::sample::Sample;
use crate::session::state::{Shared, State};
use crate::session::window::{PendingWindow, Stage};
use crate::targets::pidfd::{PidFd, Signal, wait_readable};

/// A waiter looks around once in a while: of several, one may have taken the news that all wait for.
const LONGEST_WAIT_NS: u64 = 500_000_000;

/// May be used from several threads: one waits while another stops or closes.
pub struct CaptureSession {
    shared: Arc<Shared>,
    interrupt: Signal,
    edges_taken: Arc<Signal>,
    /// `None`: no calls are recorded.
    symbols: Option<Symbols>,
    /// The oldest window's, if it was looked at before it is read.
    taken: Mutex<Option<(Sample, Recorded)>>,
}

impl CaptureSession {
    /// Attaches the probes. Nothing is counted before [`Self::start`].
    pub fn open(options: &Options) -> Result<Self> {
        let mut pids = options.pids.clone();
        pids.dedup();
        let mut unique = HashSet::new();
        pids.retain(|&pid| unique.insert(pid));
        if pids.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "no process to monitor",
            ));
        }
        let (attached, targets) = Attached::new(&pids, options)?;
        if attached
            .processes
            .iter()
            .all(|process| process.has_ended().unwrap_or(false))
        {
            let message = match &targets[..] {
                [only] => format!(
                    "the process {} ended while the probes were being attached",
                    only.pid
                ),
                _ => "all processes ended while the probes were being attached".to_owned(),
            };
            return Err(Error::new(ErrorKind::ProcessEnded, message).hint(
                "'kdelay capture -- COMMAND' starts a command with the probes already attached",
            ));
        }
        let signal = || Signal::new().map_err(|error| Error::io("eventfd", &error));
        let edges_taken = Arc::new(signal()?);
        let state = State::new(
            attached,
            targets,
            pids,
            options.follow,
            Arc::clone(&edges_taken),
        );
        let session = Self {
            shared: Arc::new(Shared::new(state, signal()?)),
            interrupt: signal()?,
            edges_taken,
            symbols: (options.events.is_some() || options.off_cpu)
                .then(|| Symbols::start(options.debug_cache.clone()))
                .transpose()?,
            taken: Mutex::default(),
        };
        harvester::start(Arc::clone(&session.shared))?;
        Ok(session)
    }

    /// Opens a window now; where there is a start trigger, arms one for it, and the next such call may follow at once: up to
    /// [`Self::windows_ahead`] windows may be armed, open or unread. With a length the kernel side closes the window at that
    /// very ns; without, it stays open until the stop trigger fires, until [`Self::stop`], or until every target has ended.
    pub fn start(&self, length_ns: Option<u64>) -> Result<()> {
        let mut state = self.shared.lock();
        state.advance()?;
        if state.windows.len() >= self.most_pending(&state) {
            let what = match state.liveliest() {
                Some(Stage::Open(_)) => "open",
                Some(Stage::Armed) => "waiting for its trigger",
                _ => "closed but not read",
            };
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("the previous window is still {what}"),
            ));
        }
        self.interrupt.clear();
        state.begin_window(length_ns)
    }

    /// How many windows may be armed, open or unread at the same time. One without a start trigger.
    pub fn windows_ahead(&self) -> Result<usize> {
        let state = self.shared.lock();
        state.attached()?;
        Ok(self.most_pending(&state))
    }

    fn most_pending(&self, state: &State) -> usize {
        state
            .attached
            .as_ref()
            .map_or(1, |attached| attached.most_pending)
    }

    /// Waits until the oldest window is closed, and says why it was. With a start trigger it may have come to nothing: see
    /// [`Self::closed_window`]. The lock is free meanwhile.
    pub fn wait(&self) -> Result<StopReason> {
        self.wait_for_triggers(None)
    }

    /// As [`Self::wait`]; a trigger that does not fire in this time, from the call or from the window's start, is no longer
    /// waited for.
    pub fn wait_for_triggers(&self, patience_ns: Option<u64>) -> Result<StopReason> {
        let begun_ns = monotonic_ns();
        loop {
            let (until_ns, fds, edges) = {
                let mut state = self.shared.lock();
                self.edges_taken.clear();
                state.advance()?;
                if let Some((_, stop)) = state.closed_window() {
                    return Ok(stop.reason);
                }
                let Some(window) = state.windows.front() else {
                    return match (state.called_off, &state.attached) {
                        (Some(reason), _) => Ok(reason),
                        (None, None) => Ok(StopReason::Interrupt),
                        (None, Some(_)) => {
                            Err(Error::new(ErrorKind::WrongState, "no window is open"))
                        }
                    };
                };
                let mut until_ns = window.stop_ns();
                if let Some(deadline_ns) = deadline_ns(window, begun_ns, patience_ns) {
                    if monotonic_ns() >= deadline_ns {
                        state.call_off(StopReason::Timeout)?;
                        continue;
                    }
                    until_ns = until_ns.min(deadline_ns);
                }
                let attached = state.attached()?;
                // A descriptor of its own: the session may be closed meanwhile.
                let edges = duplicate_fd(attached.control.edges_fd())?;
                (until_ns, duplicate(&attached.processes)?, edges)
            };
            self.wait_for_change(until_ns, &fds, &edges)?;
        }
    }

    /// Returns when that time has come, when a trigger has fired, when it was interrupted, or when every target has ended.
    fn wait_for_change(&self, until_ns: u64, processes: &[OwnedFd], edges: &OwnedFd) -> Result<()> {
        let mut alive: Vec<i32> = processes.iter().map(AsRawFd::as_raw_fd).collect();
        loop {
            let left_ns = until_ns.saturating_sub(monotonic_ns());
            if left_ns == 0 || (alive.is_empty() && !processes.is_empty()) {
                return Ok(());
            }
            let timeout_ns = Some(left_ns.min(LONGEST_WAIT_NS));
            let mut fds = alive.clone();
            fds.push(self.interrupt.as_raw_fd());
            fds.push(edges.as_raw_fd());
            fds.push(self.edges_taken.as_raw_fd());
            let ready = wait_readable(&fds, timeout_ns)
                .map_err(|error| Error::io("waiting for the window", &error))?;
            let nobody_woke_us = ready.iter().all(|is_ready| !is_ready);
            if nobody_woke_us || ready[alive.len()..].contains(&true) {
                return Ok(());
            }
            let mut index = 0;
            alive.retain(|_| {
                index += 1;
                !ready[index - 1]
            });
        }
    }

    /// Closes the open window now, and takes back those that are armed. Without any, does nothing.
    pub fn stop(&self) -> Result<()> {
        let mut state = self.shared.lock();
        state.advance()?;
        state.call_off(StopReason::Interrupt)?;
        self.interrupt.raise();
        Ok(())
    }

    /// The oldest window's start, if a window is open or closed.
    pub fn open_window(&self) -> Option<Start> {
        match &self.shared.lock().windows.front()?.stage {
            Stage::Open(start) | Stage::Closed(start, _) => Some(start.clone()),
            Stage::Armed => None,
        }
    }

    /// The oldest window's edges, if it is closed and can be read.
    pub fn closed_window(&self) -> Option<(Start, Stop)> {
        let state = self.shared.lock();
        let (start, stop) = state.closed_window()?;
        Some((start.clone(), stop.clone()))
    }

    /// The oldest window's sample; it must be closed. The next one is the oldest then.
    pub fn read(&self) -> Result<Sample> {
        let taken = self.lock_taken().take();
        let (mut sample, recorded) = taken.map_or_else(|| self.take_sample(), Ok)?;
        if let Some(symbols) = &self.symbols {
            let described = recorded.described(symbols)?;
            sample.calls = described.calls;
            sample.off_cpu = described.off_cpu;
            sample.stacks = described.stacks;
            sample.stack_problems = described.problems;
            sample.losses.stacks_truncated = described.stacks_truncated;
            sample.losses.frames_unresolved = described.frames_unresolved;
        }
        Ok(sample)
    }

    /// The build ids, in hexadecimal, of debug files that would give the oldest window's sample more names, each told once: to
    /// be fetched into the folder of such files before [`Self::read`] gives that sample.
    pub fn missing_debug_files(&self) -> Result<Vec<String>> {
        let Some(symbols) = &self.symbols else {
            return Ok(Vec::new());
        };
        let mut taken = self.lock_taken();
        let (_, recorded) = match &mut *taken {
            Some(sample) => sample,
            none => none.insert(self.take_sample()?),
        };
        recorded.missing_debug_files(symbols)
    }

    fn take_sample(&self) -> Result<(Sample, Recorded)> {
        let mut state = self.shared.lock();
        state.advance()?;
        state.take_sample()
    }

    fn lock_taken(&self) -> MutexGuard<'_, Option<(Sample, Recorded)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the oldest window, which must be closed.
    pub fn discard(&self) -> Result<()> {
        let mut state = self.shared.lock();
        state.advance()?;
        state.discard()
    }

    /// Whether a target lives.
    pub fn targets_alive(&self) -> Result<bool> {
        self.shared.lock().any_alive()
    }

    /// Detaches everything; a wait under way ends. Closing twice is harmless.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.attached = None;
        state.windows.clear();
        state.called_off = None;
        self.shared.closing.raise();
        self.interrupt.raise();
    }

    pub fn is_closed(&self) -> bool {
        self.shared.lock().attached.is_none()
    }
}

impl Drop for CaptureSession {
    fn drop(&mut self) {
        self.close();
    }
}

/// Descriptors of their own for a wait without the lock: the session may be closed meanwhile.
fn duplicate(processes: &[PidFd]) -> Result<Vec<OwnedFd>> {
    let duplicates = processes
        .iter()
        .map(PidFd::try_clone)
        .collect::<std::io::Result<_>>();
    duplicates.map_err(|error| Error::io("holding the processes", &error))
}

fn duplicate_fd(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: the descriptor belongs to the session, whose lock is held.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    fd.try_clone_to_owned()
        .map_err(|error| Error::io("holding the triggers' events", &error))
}

/// When the wait for a trigger ends: a window of a given length needs none to close.
fn deadline_ns(window: &PendingWindow, begun_ns: u64, patience_ns: Option<u64>) -> Option<u64> {
    let since_ns = match (&window.stage, window.length_ns) {
        (Stage::Armed, _) => begun_ns,
        (Stage::Open(start), None) => start.at_ns.max(begun_ns),
        _ => return None,
    };
    Some(since_ns.saturating_add(patience_ns?).min(UNTIL_CLOSED))
}
