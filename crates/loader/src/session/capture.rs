//! A capture session: probes attached to a set of processes, and one window after the other over them.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::control::UNTIL_CLOSED;

use crate::calls::naming::Symbols;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::clock::{self, monotonic_ns};
use crate::options::Options;
use crate::sample::{Start, Stop, StopReason, Target};
use crate::session::attached::{Attached, Opened};
use crate::session::harvester;
use crate::session::living::Living;
use crate::session::news::News;
use crate::session::reading::Reader;
use crate::session::sample::Sample;
use crate::session::shared::Shared;
use crate::session::state::{Before, State};
use crate::session::steal::StolenTime;
use crate::session::window::{PendingWindow, Stage};
use crate::targets::identity::Process;
use crate::targets::pidfd::{Signal, wait_readable};
use crate::targets::stopped::StoppedThreads;
use crate::timeline_file::SharedTimeline;

/// A waiter looks around once in a while: of several, one may have taken the news that all wait for.
const LONGEST_WAIT_NS: u64 = 500_000_000;

/// May be used from several threads: one waits or reads while another starts, stops or closes.
pub struct CaptureSession {
    shared: Arc<Shared>,
    /// Whoever reads a window has it for as long as that takes.
    reader: Mutex<Reader>,
    /// Whoever waits is to look around.
    wake: Signal,
    targets: Vec<Target>,
    /// On the triggers, one line each.
    remarks: Vec<String>,
    /// `None`: nobody has asked for one.
    timeline: Option<SharedTimeline>,
    /// `None`: no calls are recorded.
    symbols: Option<Symbols>,
}

impl CaptureSession {
    /// Attaches the probes. Nothing is counted before [`Self::start`].
    pub fn open(options: &Options) -> Result<Self> {
        clock::require_known()?;
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
        let signal = || Signal::new().map_err(|error| Error::io("eventfd", &error));
        let detached = Arc::new(signal()?);
        let Opened {
            attached,
            control,
            processes,
            targets,
            remarks,
            timeline,
        } = Attached::open(&pids, options, Arc::clone(&detached))?;
        if processes.iter().all(|process| process.has_ended()) {
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
        // SAFETY: the descriptor belongs to `control`, which outlives the borrow.
        let edges = unsafe { BorrowedFd::borrow_raw(control.edges_fd()) }
            .try_clone_to_owned()
            .map_err(|error| Error::io("holding the windows' edges", &error))?;
        let news = Arc::new(News {
            for_waiters: signal()?,
            for_harvester: signal()?,
        });
        let shared = Shared::new(
            State::new(attached, control, Arc::clone(&news)),
            Living::new(processes, options.follow),
            edges,
            signal()?,
            detached,
            news,
        );
        let session = Self {
            shared: Arc::new(shared),
            reader: Mutex::new(Reader::new(targets.clone())),
            wake: signal()?,
            targets,
            remarks,
            timeline,
            symbols: (options.events.is_some() || options.off_cpu)
                .then(|| {
                    Symbols::start(options.debug_cache.clone(), pids.iter().copied().collect())
                })
                .transpose()?,
        };
        harvester::start(Arc::clone(&session.shared))?;
        Ok(session)
    }

    /// What is to be known of the triggers, one line each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The processes that are captured, as they were found, but for children that join them.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Opens a window now; where there is a start trigger, arms one for it, and the next such call may follow at once: up to
    /// [`Self::windows_ahead`] windows may be armed, open or unread. With a length the kernel side closes the window at that
    /// very ns; without, it stays open until the stop trigger fires, until [`Self::stop`], or until every target has ended.
    pub fn start(&self, length_ns: Option<u64>) -> Result<()> {
        let named = self.shared.living.named().iter();
        let before = Before {
            stopped: StoppedThreads::of(named.map(Arc::as_ref))?,
            stolen: StolenTime::now(),
        };
        let mut state = self.shared.advanced()?;
        if state.windows.len() >= most_pending(&state) {
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
        self.wake.clear();
        state.begin_window(length_ns, before)
    }

    /// How many windows may be armed, open or unread at the same time. One without a start trigger.
    pub fn windows_ahead(&self) -> Result<usize> {
        Ok(self.shared.attached()?.most_pending)
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
            let until_ns = {
                self.shared.news.for_waiters.clear();
                let mut state = self.shared.advanced()?;
                if let Some((_, stop)) = state.closed_window() {
                    return Ok(stop.reason);
                }
                let Some(window) = state.windows.front() else {
                    return match (state.called_off, state.is_closed()) {
                        (Some(reason), _) => Ok(reason),
                        (None, true) => Ok(StopReason::Interrupt),
                        (None, false) => {
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
                until_ns
            };
            let Ok(attached) = self.shared.attached() else {
                continue;
            };
            let living = self.shared.living.some(&attached.maps)?;
            // It would keep the probes attached.
            drop(attached);
            self.wait_for_change(until_ns, &living)?;
        }
    }

    /// Returns when that time has come, when a trigger has fired, when it was woken, or when every target has ended.
    fn wait_for_change(&self, until_ns: u64, living: &[Arc<Process>]) -> Result<()> {
        let mut alive: Vec<i32> = living.iter().map(|process| process.as_raw_fd()).collect();
        loop {
            let left_ns = until_ns.saturating_sub(monotonic_ns());
            if left_ns == 0 || alive.is_empty() {
                return Ok(());
            }
            let timeout_ns = Some(left_ns.min(LONGEST_WAIT_NS));
            let mut fds = alive.clone();
            fds.push(self.wake.as_raw_fd());
            fds.push(self.shared.edges.as_raw_fd());
            fds.push(self.shared.news.for_waiters.as_raw_fd());
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
        let called_off = state.call_off(StopReason::Interrupt);
        // Whoever waits is to look in any case.
        self.wake.raise();
        called_off
    }

    /// The oldest window's start, if a window is open or closed.
    pub fn open_window(&self) -> Option<Start> {
        let state = self.shared.lock();
        if let Some((start, _)) = state.closed_window() {
            return Some(start.clone());
        }
        match &state.windows.front()?.stage {
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

    /// The oldest window's sample; it must be closed. The next one is the oldest then. If it cannot be read for a reason that
    /// may pass, as when there are too many open files, it can be tried again.
    pub fn read(&self) -> Result<Sample> {
        let sample = self.read_and_name();
        self.set_hurried(false);
        sample
    }

    fn read_and_name(&self) -> Result<Sample> {
        let (mut sample, recorded) = self.lock_reader().read(&self.shared)?;
        if let Some(symbols) = &self.symbols {
            let described = recorded.described(symbols);
            sample.calls = described.calls;
            sample.off_cpu = described.off_cpu;
            sample.stacks = described.stacks;
            sample.stack_problems = described.problems;
            sample.losses.stacks_truncated = described.stacks_truncated;
            sample.losses.frames_unresolved = described.frames_unresolved;
        }
        Ok(sample)
    }

    /// The reading that is under way, or the next one, ends soon: stacks that are not walked or named by then are counted, and the
    /// sample says so.
    pub fn hurry(&self) {
        self.set_hurried(true);
    }

    fn set_hurried(&self, is_hurried: bool) {
        if let Some(symbols) = &self.symbols {
            symbols.set_hurried(is_hurried);
        }
        // Where it is closed, nothing is walked any more.
        if let Ok(attached) = self.shared.attached()
            && let Some(events) = &attached.events
        {
            events.set_hurried(is_hurried);
        }
    }

    /// The build ids, in hexadecimal, of debug files that would give the oldest window's sample more names, each told once: to
    /// be fetched into the folder of such files before [`Self::read`] gives that sample.
    pub fn missing_debug_files(&self) -> Result<Vec<String>> {
        let Some(symbols) = &self.symbols else {
            return Ok(Vec::new());
        };
        let mut reader = self.lock_reader();
        Ok(reader.peek(&self.shared)?.missing_debug_files(symbols))
    }

    /// Forgets the oldest window, which must be closed.
    pub fn discard(&self) -> Result<()> {
        self.lock_reader().discard(&self.shared)
    }

    fn lock_reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a target lives.
    pub fn targets_alive(&self) -> Result<bool> {
        self.shared.any_alive()
    }

    /// From now on the session is closed, and a wait under way ends; the harvester detaches everything. Closing twice is
    /// harmless.
    pub fn begin_close(&self) {
        self.shared.lock().close();
        self.shared.closing.raise();
        self.wake.raise();
    }

    /// The same, and waits until everything is detached: a window that is being read is read to its end. Fails if the time line could
    /// not be written, in whatever window that was.
    pub fn close(&self) -> Result<()> {
        self.begin_close();
        // The harvester may have it; it may also be gone.
        let remains = self.shared.lock().take_remains();
        drop(remains);
        let detached = [self.shared.detached.as_raw_fd()];
        while !wait_readable(&detached, None)
            .map_err(|error| Error::io("waiting for the probes to be detached", &error))?
            .contains(&true)
        {}
        self.timeline
            .as_ref()
            .map_or(Ok(()), SharedTimeline::finish)
    }

    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed()
    }
}

impl Drop for CaptureSession {
    fn drop(&mut self) {
        self.begin_close();
    }
}

fn most_pending(state: &State) -> usize {
    state.attached().map_or(1, |attached| attached.most_pending)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::{CaptureSession, Options};

    /// Longer than anything takes here: only what waits for the reader would never come to its end.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    #[ignore = "it captures on this kernel: scripts/test runs it, scripts/test-unit does not"]
    fn nobody_but_a_reader_waits_for_a_reader() {
        let session = CaptureSession::open(&Options {
            pids: vec![std::process::id()],
            ..Options::default()
        })
        .unwrap();
        let (say_done, done) = channel();
        // Whoever reads a window has this for as long as that takes.
        let reader = session.lock_reader();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                session.start(None).unwrap();
                assert!(session.open_window().is_some() && session.closed_window().is_none());
                assert!(session.targets_alive().unwrap());
                assert_eq!(session.windows_ahead().unwrap(), 1);
                session.stop().unwrap();
                session.wait().unwrap();
                assert!(session.closed_window().is_some() && !session.is_closed());
                session.begin_close();
                assert!(session.is_closed());
                say_done.send(()).unwrap();
            });
            let is_done = done.recv_timeout(PATIENCE).is_ok();
            drop(reader);
            assert!(is_done);
        });
        session.close().unwrap();
    }
}
