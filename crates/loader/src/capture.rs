//! A capture session: probes attached to a set of processes, and one window after the other over them.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use bpf_probes::abi::control::UNTIL_CLOSED;

use crate::attached::Attached;
use crate::clock::{monotonic_ns, wall_ns};
use crate::error::{Error, ErrorKind, Result};
use crate::harvester;
use crate::pidfd::{PidFd, Signal, wait_readable};
use crate::probes::AttachMode;
use crate::sample::{Sample, StopReason};
use crate::state::{Phase, Shared, State, closed};
use crate::{proc_stat, process};

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// tgids, at least one.
    pub pids: Vec<u32>,
    /// Children forked while the session is open join the targets.
    pub follow: bool,
    /// 0: quiet, else the verifier's log level; what is attached how goes to stderr.
    pub debug_level: u32,
    /// Thread records of one window; `None`: from the number of threads.
    pub thread_capacity: Option<u32>,
    pub attach_mode: AttachMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start_monotonic_ns: u64,
    pub start_wall_ns: u64,
}

/// May be used from several threads: one waits while another stops or closes.
pub struct CaptureSession {
    shared: Arc<Shared>,
    interrupt: Signal,
    first_pids: Vec<u32>,
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
        let state = State::new(attached, targets, pids.clone(), options.follow);
        let session = Self {
            shared: Arc::new(Shared::new(state)),
            interrupt: Signal::new().map_err(|error| Error::io("eventfd", &error))?,
            first_pids: pids,
        };
        harvester::start(Arc::clone(&session.shared))?;
        Ok(session)
    }

    /// Opens a window now. With a length the kernel side closes it at that very ns; without, it stays open until
    /// [`Self::stop`] or until every target has ended.
    pub fn start(&self, length_ns: Option<u64>) -> Result<Window> {
        let mut state = self.shared.lock();
        if !matches!(state.phase, Phase::Idle) {
            let what = if matches!(state.phase, Phase::Open(_)) {
                "open"
            } else {
                "closed but not read"
            };
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("the previous window is still {what}"),
            ));
        }
        let stopped_at_start = stopped_threads(&self.first_pids)?;
        let state = &mut *state;
        let attached = state.attached.as_mut().ok_or_else(closed)?;
        state.recursion_misses_before = attached.probes.recursion_misses()?;
        state.stopped_at_start = stopped_at_start;
        self.interrupt.clear();
        let start_wall_ns = wall_ns();
        let start_ns = monotonic_ns();
        state.window.number += 1;
        state.window.start_ns = start_ns;
        state.window.stop_ns = length_ns.map_or(UNTIL_CLOSED, |length_ns| {
            start_ns.saturating_add(length_ns).min(UNTIL_CLOSED)
        });
        attached.maps.open_window(state.window)?;
        let window = Window {
            start_monotonic_ns: start_ns,
            start_wall_ns,
        };
        state.phase = Phase::Open(window);
        self.shared.notify();
        Ok(window)
    }

    /// Waits until the window is closed. The lock is free meanwhile.
    pub fn wait(&self) -> Result<StopReason> {
        loop {
            let (stop_ns, fds) = {
                let state = self.shared.lock();
                match state.phase {
                    Phase::Closed { stop_by, .. } => return Ok(stop_by),
                    Phase::Idle if state.attached.is_none() => return Ok(StopReason::Interrupt),
                    Phase::Idle => {
                        return Err(Error::new(ErrorKind::WrongState, "no window is open"));
                    }
                    Phase::Open(_) => {}
                }
                let attached = state.attached.as_ref().ok_or_else(closed)?;
                (state.window.stop_ns, duplicate(&attached.processes)?)
            };
            self.wait_for_change(stop_ns, &fds)?;
            self.shared.lock().advance()?;
        }
    }

    /// Returns when the window's time is over, when it was interrupted, or when the number of living targets changed.
    fn wait_for_change(&self, stop_ns: u64, processes: &[std::os::fd::OwnedFd]) -> Result<()> {
        let mut alive: Vec<i32> = processes.iter().map(AsRawFd::as_raw_fd).collect();
        loop {
            let left_ns = stop_ns.saturating_sub(monotonic_ns());
            if left_ns == 0 || (alive.is_empty() && !processes.is_empty()) {
                return Ok(());
            }
            let timeout_ns = (stop_ns != UNTIL_CLOSED).then_some(left_ns);
            let mut fds = alive.clone();
            fds.push(self.interrupt.as_raw_fd());
            let ready = wait_readable(&fds, timeout_ns)
                .map_err(|error| Error::io("waiting for the window", &error))?;
            if ready[alive.len()] {
                return Ok(());
            }
            let mut index = 0;
            alive.retain(|_| {
                index += 1;
                !ready[index - 1]
            });
        }
    }

    /// Closes the open window now. Without one, does nothing.
    pub fn stop(&self) -> Result<()> {
        let mut state = self.shared.lock();
        state.advance()?;
        if let Phase::Open(window) = state.phase {
            state.close_window(window, StopReason::Interrupt)?;
        }
        self.interrupt.raise();
        Ok(())
    }

    /// The closed window's sample. Afterwards a new window can be opened.
    pub fn read(&self) -> Result<Sample> {
        let mut state = self.shared.lock();
        state.advance()?;
        state.take_sample()
    }

    /// Whether a target lives.
    pub fn targets_alive(&self) -> Result<bool> {
        self.shared.lock().any_alive()
    }

    /// Detaches everything; a wait under way ends. Closing twice is harmless.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.attached = None;
        state.phase = Phase::Idle;
        self.shared.notify();
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
fn duplicate(processes: &[PidFd]) -> Result<Vec<std::os::fd::OwnedFd>> {
    let duplicates = processes
        .iter()
        .map(PidFd::try_clone)
        .collect::<std::io::Result<_>>();
    duplicates.map_err(|error| Error::io("holding the processes", &error))
}

/// Threads that are stopped as the window opens. Only looked for where the leader is: a stop is a whole process's.
fn stopped_threads(pids: &[u32]) -> Result<HashSet<u32>> {
    let mut stopped = HashSet::new();
    for &pid in pids {
        let is_stopped = |path: &str| {
            let stat = proc_stat::stat(path).map_err(|error| Error::io(path, &error))?;
            Ok(stat.is_some_and(|stat| stat.is_stopped()))
        };
        if is_stopped(&format!("/proc/{pid}"))? {
            for tid in process::tids(pid)? {
                if is_stopped(&format!("/proc/{pid}/task/{tid}"))? {
                    stopped.insert(tid);
                }
            }
        }
    }
    Ok(stopped)
}
