//! What a session is doing: the window that is open or closed but not read, and what has been seen of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bpf_probes::abi::control::Window as ProgramWindow;

use crate::attached::Attached;
use crate::capture::Window;
use crate::clock::monotonic_ns;
use crate::describe::SeenThread;
use crate::error::{Error, ErrorKind, Result};
use crate::idle_threads;
use crate::pidfd::PidFd;
use crate::process;
use crate::sample::{Losses, Sample, StopReason, Target, Thread};
use crate::snapshot::{self, Seen};

/// Between the decision to close a window and its edge: many times what telling the programs takes.
const CLOSING_NOTICE_NS: u64 = 200_000;
#[derive(Clone, Copy)]
pub enum Phase {
    Idle,
    Open(Window),
    Closed {
        window: Window,
        stop_ns: u64,
        stop_by: StopReason,
    },
}

pub struct State {
    /// `None` once closed: dropping it detaches.
    pub attached: Option<Attached>,
    pub phase: Phase,
    /// The latest window as the programs see it; `stop_ns` is when it ends by itself.
    pub window: ProgramWindow,
    pub stopped_at_start: HashSet<u32>,
    pub recursion_misses_before: Option<u64>,
    targets: Vec<Target>,
    first_pids: Vec<u32>,
    follow: bool,
    /// Of the window: the threads that have ended, until it is read.
    seen: Seen,
    /// What went wrong behind the caller's back; the next read says so.
    failure: Option<Error>,
}

/// The state, and those who wait for it to change.
pub struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// A poisoned lock means that a thread panicked while it held it; the state is still what it was between two calls,
    /// and closing must work.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn notify(&self) {
        self.changed.notify_all();
    }

    pub fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wait_at_most<'a>(
        &self,
        state: MutexGuard<'a, State>,
        time: Duration,
    ) -> MutexGuard<'a, State> {
        match self.changed.wait_timeout(state, time) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }
}

impl State {
    pub fn new(
        attached: Attached,
        targets: Vec<Target>,
        first_pids: Vec<u32>,
        follow: bool,
    ) -> Self {
        Self {
            attached: Some(attached),
            phase: Phase::Idle,
            window: ProgramWindow::default(),
            stopped_at_start: HashSet::new(),
            recursion_misses_before: None,
            targets,
            first_pids,
            follow,
            seen: Seen::default(),
            failure: None,
        }
    }

    /// Closes the window if it is time.
    pub fn advance(&mut self) -> Result<()> {
        let Phase::Open(window) = self.phase else {
            return Ok(());
        };
        if monotonic_ns() >= self.window.stop_ns {
            self.phase = Phase::Closed {
                window,
                stop_ns: self.window.stop_ns,
                stop_by: StopReason::Time,
            };
        } else if !self.any_alive()? {
            self.close_window(window, StopReason::Exit)?;
        }
        Ok(())
    }

    /// Closes the window a moment from now, so that the programs know the edge before it comes.
    pub fn close_window(&mut self, window: Window, stop_by: StopReason) -> Result<()> {
        let stop_ns = monotonic_ns()
            .saturating_add(CLOSING_NOTICE_NS)
            .min(self.window.stop_ns);
        self.window.stop_ns = stop_ns;
        self.phase = Phase::Closed {
            window,
            stop_ns,
            stop_by,
        };
        match self.attached.as_mut() {
            Some(attached) => attached.maps.set_window(self.window),
            None => Ok(()),
        }
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

    /// Takes in the threads that have ended, where a window is open.
    pub fn harvest(&mut self) -> Result<()> {
        match (&self.phase, self.attached.as_mut()) {
            (Phase::Open(_), Some(attached)) => snapshot::harvest(
                &mut attached.maps,
                self.window.number,
                monotonic_ns().min(self.window.stop_ns),
                &self.stopped_at_start,
                &mut self.seen,
            ),
            _ => Ok(()),
        }
    }

    pub fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// The closed window's sample; the state is idle then.
    pub fn take_sample(&mut self) -> Result<Sample> {
        let Phase::Closed {
            window,
            stop_ns,
            stop_by,
        } = self.phase
        else {
            let what = if matches!(self.phase, Phase::Open(_)) {
                "the window is still open"
            } else {
                "no window"
            };
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("nothing to read: {what}"),
            ));
        };
        std::thread::sleep(Duration::from_nanos(stop_ns.saturating_sub(monotonic_ns())));
        let number = self.window.number;
        let pids = self.pids()?;
        let attached = self.attached.as_mut().ok_or_else(closed)?;
        // Before the window is sealed: a thread that these looks disturb in what it was doing gets a record by its event.
        let recorded = snapshot::recorded(&attached.maps, number);
        let idle = idle_threads::look(&recorded, &pids, window.start_monotonic_ns, stop_ns)?;
        attached.maps.seal_window(self.window)?;
        attached.grace_period.wait()?;
        let mut seen = std::mem::take(&mut self.seen);
        snapshot::read_all(
            &attached.maps,
            number,
            stop_ns,
            &self.stopped_at_start,
            &mut seen,
        )?;
        let lost = attached.maps.losses();
        let misses = attached.probes.recursion_misses()?;
        let pids = with_seen(pids, &seen);
        let alive: HashSet<(u32, u32)> = seen
            .threads
            .iter()
            .filter(|seen| !seen.thread.exited)
            .map(|seen| (seen.thread.pid, seen.thread.tid))
            .collect();
        let mut threads = idle_threads::settle_seen(seen.threads, stop_ns);
        threads.extend(
            idle.into_iter()
                .filter(|thread| !alive.contains(&(thread.pid, thread.tid))),
        );
        self.name_targets(&pids, &threads);
        if let Some(attached) = self.attached.as_mut() {
            snapshot::free_all(&mut attached.maps, self.window.number)?;
        }
        self.phase = Phase::Idle;
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        Ok(Sample {
            start_monotonic_ns: window.start_monotonic_ns,
            start_wall_ns: window.start_wall_ns,
            stop_monotonic_ns: stop_ns,
            stop_wall_ns: window.start_wall_ns + stop_ns.saturating_sub(window.start_monotonic_ns),
            stop_by,
            targets: self.targets.clone(),
            threads,
            losses: Losses {
                events_dropped: 0,
                threads_untracked: lost.thread_events as i64,
                syscalls_untracked: (lost.syscalls + lost.irqs) as i64,
                stacks_lost: 0,
                triggers_missed: 0,
                recursion_misses: misses
                    .zip(self.recursion_misses_before)
                    .map(|(after, before)| after.saturating_sub(before) as i64),
                negative_intervals: seen.negative_intervals as i64,
                switches_missed: seen.switches_missed as i64,
            },
        })
    }

    /// The targets that were named, and the children in the set.
    fn pids(&self) -> Result<Vec<u32>> {
        let mut pids = self.first_pids.clone();
        if let Some(attached) = self.attached.as_ref().filter(|_| self.follow) {
            let mut known: HashSet<u32> = pids.iter().copied().collect();
            let joined = attached.maps.targets()?.into_iter();
            pids.extend(joined.filter(|&pid| known.insert(pid)));
        }
        Ok(pids)
    }

    fn name_targets(&mut self, pids: &[u32], threads: &[Thread]) {
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

/// These, and the processes of the threads that were seen; in the order in which they appeared, as far as it is known.
fn with_seen(mut pids: Vec<u32>, seen: &Seen) -> Vec<u32> {
    let mut begins: HashMap<u32, u64> = HashMap::new();
    for SeenThread {
        thread, begin_ns, ..
    } in &seen.threads
    {
        let begin = begins.entry(thread.pid).or_insert(*begin_ns);
        *begin = (*begin).min(*begin_ns);
    }
    let known: HashSet<u32> = pids.iter().copied().collect();
    pids.extend(begins.keys().filter(|pid| !known.contains(pid)));
    pids.sort_by_key(|pid| (begins.get(pid).copied().unwrap_or(u64::MAX), *pid));
    pids
}

pub fn closed() -> Error {
    Error::new(ErrorKind::WrongState, "the session is closed")
}
