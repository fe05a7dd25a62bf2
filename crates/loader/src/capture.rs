//! A capture session: probes attached to a set of processes, and one window after the other over them.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bpf_probes::abi::control::UNTIL_CLOSED;

use crate::attached::Attached;
use crate::clock::{monotonic_ns, wall_ns};
use crate::error::{Error, ErrorKind, Result};
use crate::idle_threads;
use crate::pidfd::{PidFd, Signal, wait_readable};
use crate::probes::AttachMode;
use crate::sample::{Losses, Sample, StopReason, Target};
use crate::{proc_stat, process};

/// Between the decision to close a window and its edge: many times what telling the programs takes.
const CLOSING_NOTICE_NS: u64 = 200_000;

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

#[derive(Clone, Copy)]
enum Phase {
    Idle,
    Open(Window),
    Closed {
        window: Window,
        stop_ns: u64,
        stop_by: StopReason,
    },
}

struct State {
    /// `None` once closed: dropping it detaches.
    attached: Option<Attached>,
    phase: Phase,
    /// The latest window as the programs see it; `stop_ns` is when it ends by itself.
    window: bpf_probes::abi::control::Window,
    stopped_at_start: HashSet<u32>,
    targets: Vec<Target>,
    recursion_misses_before: Option<u64>,
}

/// May be used from several threads: one waits while another stops or closes.
pub struct CaptureSession {
    state: Mutex<State>,
    interrupt: Signal,
    follow: bool,
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
        Ok(Self {
            state: Mutex::new(State {
                attached: Some(attached),
                phase: Phase::Idle,
                window: bpf_probes::abi::control::Window::default(),
                stopped_at_start: HashSet::new(),
                targets,
                recursion_misses_before: None,
            }),
            interrupt: Signal::new().map_err(|error| Error::io("eventfd", &error))?,
            follow: options.follow,
            first_pids: pids,
        })
    }

    /// A poisoned lock means that a thread panicked while it held it; the state is still what it was between two calls,
    /// and closing must work.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a window now. With a length the kernel side closes it at that very ns; without, it stays open until
    /// [`Self::stop`] or until every target has ended.
    pub fn start(&self, length_ns: Option<u64>) -> Result<Window> {
        let mut state = self.lock();
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
        state.window.stop_ns =
            length_ns.map_or(UNTIL_CLOSED, |length_ns| start_ns.saturating_add(length_ns));
        attached.maps.open_window(state.window)?;
        let window = Window {
            start_monotonic_ns: start_ns,
            start_wall_ns,
        };
        state.phase = Phase::Open(window);
        Ok(window)
    }

    /// Waits until the window is closed. The lock is free meanwhile.
    pub fn wait(&self) -> Result<StopReason> {
        loop {
            let (stop_ns, fds) = {
                let state = self.lock();
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
            self.advance()?;
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

    /// Closes the window if it is time.
    fn advance(&self) -> Result<()> {
        let mut state = self.lock();
        let Phase::Open(window) = state.phase else {
            return Ok(());
        };
        if state.attached.is_none() {
            state.phase = Phase::Idle;
            return Ok(());
        }
        if monotonic_ns() >= state.window.stop_ns {
            state.phase = Phase::Closed {
                window,
                stop_ns: state.window.stop_ns,
                stop_by: StopReason::Time,
            };
        } else if !self.any_alive(&mut state)? {
            close_window(&mut state, window, StopReason::Exit)?;
        }
        Ok(())
    }

    /// Where children are followed, those that are still in the set replace the targets that have ended.
    fn any_alive(&self, state: &mut State) -> Result<bool> {
        let Some(attached) = state.attached.as_mut() else {
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

    /// Closes the open window now. Without one, does nothing.
    pub fn stop(&self) -> Result<()> {
        let mut state = self.lock();
        if let Phase::Open(window) = state.phase {
            if monotonic_ns() >= state.window.stop_ns {
                state.phase = Phase::Closed {
                    window,
                    stop_ns: state.window.stop_ns,
                    stop_by: StopReason::Time,
                };
            } else {
                close_window(&mut state, window, StopReason::Interrupt)?;
            }
        }
        self.interrupt.raise();
        Ok(())
    }

    /// The closed window's sample. Afterwards a new window can be opened.
    pub fn read(&self) -> Result<Sample> {
        self.advance()?;
        let mut state = self.lock();
        let state = &mut *state;
        let Phase::Closed {
            window,
            stop_ns,
            stop_by,
        } = state.phase
        else {
            let what = if matches!(state.phase, Phase::Open(_)) {
                "the window is still open"
            } else {
                "no window"
            };
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("nothing to read: {what}"),
            ));
        };
        let attached = state.attached.as_mut().ok_or_else(closed)?;
        std::thread::sleep(Duration::from_nanos(stop_ns.saturating_sub(monotonic_ns())));
        attached
            .grace_period
            .wait()
            .map_err(|error| Error::io("waiting for running probes", &error))?;
        let seen = attached
            .maps
            .threads(state.window.number, stop_ns, &state.stopped_at_start)?;
        let mut pids = self.first_pids.clone();
        if self.follow {
            for pid in attached
                .maps
                .targets()?
                .into_iter()
                .chain(seen.threads.iter().map(|seen| seen.thread.pid))
            {
                if !pids.contains(&pid) {
                    pids.push(pid);
                }
            }
        }
        let lost = attached.maps.losses();
        let threads =
            idle_threads::complete(seen.threads, &pids, window.start_monotonic_ns, stop_ns)?;
        for &pid in &pids {
            if !state.targets.iter().any(|target| target.pid == pid) {
                let leader = threads
                    .iter()
                    .filter(|thread| thread.pid == pid)
                    .min_by_key(|thread| thread.tid);
                let comm = leader.map_or("", |thread| thread.comm.as_str());
                state.targets.push(process::describe_or(pid, comm));
            }
        }
        let misses = attached.probes.recursion_misses()?;
        attached.maps.reset(state.window.number)?;
        state.phase = Phase::Idle;
        Ok(Sample {
            start_monotonic_ns: window.start_monotonic_ns,
            start_wall_ns: window.start_wall_ns,
            stop_monotonic_ns: stop_ns,
            stop_wall_ns: window.start_wall_ns + stop_ns.saturating_sub(window.start_monotonic_ns),
            stop_by,
            targets: state.targets.clone(),
            threads,
            losses: Losses {
                events_dropped: 0,
                threads_untracked: lost.thread_events as i64,
                syscalls_untracked: (lost.syscalls + lost.irqs) as i64,
                stacks_lost: 0,
                triggers_missed: 0,
                recursion_misses: misses
                    .zip(state.recursion_misses_before)
                    .map(|(after, before)| after.saturating_sub(before) as i64),
                negative_intervals: seen.negative_intervals as i64,
                switches_missed: seen.switches_missed as i64,
            },
        })
    }

    /// Whether a target lives.
    pub fn targets_alive(&self) -> Result<bool> {
        let mut state = self.lock();
        self.any_alive(&mut state)
    }

    /// Detaches everything; a wait under way ends. Closing twice is harmless.
    pub fn close(&self) {
        let mut state = self.lock();
        state.attached = None;
        state.phase = Phase::Idle;
        self.interrupt.raise();
    }

    pub fn is_closed(&self) -> bool {
        self.lock().attached.is_none()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::WrongState, "the session is closed")
}

/// Closes the window a moment from now, so that the programs know the edge before it comes.
fn close_window(state: &mut State, window: Window, stop_by: StopReason) -> Result<()> {
    let stop_ns = monotonic_ns()
        .saturating_add(CLOSING_NOTICE_NS)
        .min(state.window.stop_ns);
    state.window.stop_ns = stop_ns;
    state.phase = Phase::Closed {
        window,
        stop_ns,
        stop_by,
    };
    match state.attached.as_mut() {
        Some(attached) => attached.maps.set_window(state.window),
        None => Ok(()),
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
