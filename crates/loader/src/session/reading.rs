//! From a closed window to its sample, while later windows may already be open.

use std::collections::HashMap;
use std::time::Duration;

use crate::calls::of_sample::Calls;
use crate::calls::recorded::Recorded;
use crate::calls::ring::Taken;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::clock::monotonic_ns;
use crate::kernel::machine;
use crate::probes::control;
use crate::sample::{Losses, Start, Stop};
use crate::session::sample::Sample;
use crate::session::state::{State, closed};
use crate::session::window::{PendingWindow, Stage};
use crate::threads::cgroup::find_cgroups;
use crate::threads::merge::{merged, with_seen};
use crate::threads::seen::{FirstEvent, Seen};
use crate::threads::{idle, records};

/// Discarded windows whose records wait for a grace period to be freed. With the pending ones they must be fewer than the
/// windows that the programs tell apart.
const MOST_DISCARDED: usize = 4;

impl State {
    /// The oldest window's edges, if it is closed.
    pub fn closed_window(&self) -> Option<(&Start, &Stop)> {
        match &self.windows.front()?.stage {
            Stage::Closed(start, stop) => Some((start, stop)),
            _ => None,
        }
    }

    /// Takes the oldest window off the queue, after its end. None of its threads gets a record any more once it is sealed.
    fn take_closed(&mut self) -> Result<(PendingWindow, Start, Stop)> {
        let Some((start, stop)) = self.closed_window() else {
            let what = match self.windows.front().map(|window| &window.stage) {
                Some(Stage::Open(_)) => "the window is still open",
                Some(_) => "the start trigger has not fired",
                None => "no window",
            };
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("nothing to read: {what}"),
            ));
        };
        let (start, stop) = (start.clone(), stop.clone());
        std::thread::sleep(Duration::from_nanos(
            stop.at_ns.saturating_sub(monotonic_ns()),
        ));
        let window = self.windows.pop_front().ok_or_else(closed)?;
        Ok((window, start, stop))
    }

    /// Forgets the oldest window, which is closed: what its threads did in it is not looked at.
    pub fn discard(&mut self) -> Result<()> {
        let (window, ..) = self.take_closed()?;
        let attached = self.attached.as_ref().ok_or_else(closed)?;
        control::seal(&attached.probes, window.number)?;
        if let Some(events) = &attached.events {
            events.forget(window.number);
        }
        self.discarded.push(window.number);
        if self.discarded.len() >= MOST_DISCARDED {
            attached.grace_period.wait()?;
            self.free_discarded()?;
        }
        self.rest_if_idle()
    }

    /// After a grace period.
    fn free_discarded(&mut self) -> Result<()> {
        for window in std::mem::take(&mut self.discarded) {
            let attached = self.attached.as_mut().ok_or_else(closed)?;
            records::discard_all(&mut attached.maps, window)?;
        }
        Ok(())
    }

    /// Nobody waits for a start trigger that finds nothing armed now.
    fn rest_if_idle(&self) -> Result<()> {
        let attached = self.attached()?;
        if let Some(events) = attached.events.as_ref().filter(|_| self.windows.is_empty()) {
            events.await_more(false);
        }
        if attached.has_start_trigger && self.windows.is_empty() {
            control::rest(&attached.probes)?;
        }
        Ok(())
    }

    /// The oldest window's sample, and the calls that were recorded in it: to describe those may take seconds, and other windows
    /// need not wait for it.
    pub fn take_sample(&mut self) -> Result<(Sample, Recorded)> {
        if self.closed_window().is_some() {
            self.harvest()?;
        }
        let (mut window, start, stop) = self.take_closed()?;
        let number = window.number;
        let steal_ns = machine::stolen_ns()
            .zip(window.stolen_at_start_ns)
            .map(|(after, before)| after.saturating_sub(before) as i64);
        let pids = self.pids()?;
        let attached = self.attached.as_mut().ok_or_else(closed)?;
        // Before the window is sealed: a thread that these looks disturb in what it was doing gets a record by its event.
        let recorded = records::recorded(&attached.maps, number);
        let idle = idle::look(&recorded, &pids, start.at_ns, stop.at_ns)?;
        control::seal(&attached.probes, number)?;
        attached.grace_period.wait()?;
        records::read_all(
            &mut attached.maps,
            number,
            stop.at_ns,
            &window.stopped_at_start,
            &mut window.seen,
        )?;
        let upcalls = attached
            .upcalls
            .as_mut()
            .map(|upcalls| upcalls.take(number))
            .transpose()?;
        let Taken {
            calls,
            stacks,
            stacks_lost,
            problems,
        } = match &attached.events {
            Some(events) => events.take(number),
            None => Taken::default(),
        };
        let (calls, over_limit) = calls.in_order();
        let firsts = first_events(&attached.maps, &self.windows, stop.at_ns);
        let lost_by_now = attached.maps.losses();
        let lost = lost_by_now.since(&self.losses_before);
        self.losses_before = lost_by_now;
        let triggers_missed = start
            .triggers_missed
            .wrapping_sub(self.triggers_missed_before);
        let triggers_missed = i64::from(triggers_missed);
        self.triggers_missed_before = start.triggers_missed;
        let misses = attached.probes.recursion_misses()?;
        let recursion_misses = misses
            .zip(self.recursion_misses_before)
            .map(|(after, before)| after.saturating_sub(before) as i64);
        self.recursion_misses_before = misses;
        let Seen {
            threads: seen,
            off_cpu,
            negative_intervals,
            switches_missed,
        } = window.seen;
        let pids = with_seen(pids, &seen);
        let mut threads = merged(seen, firsts, idle, &start, &stop);
        find_cgroups(&mut threads, &start, &stop);
        self.name_targets(&pids, &threads);
        self.free_discarded()?;
        if let Some(attached) = self.attached.as_mut() {
            records::free_all(&mut attached.maps, number)?;
            if lost.thread_events > 0 && self.windows.is_empty() {
                attached.maps.forget_tasks()?;
            }
        }
        self.rest_if_idle()?;
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let sample = Sample {
            start,
            stop,
            starts_in_window: lost.starts_in_window as i64,
            targets: self.targets.clone(),
            threads,
            steal_ns,
            upcalls,
            calls: Calls::default(),
            off_cpu: Vec::new(),
            stacks: Vec::new(),
            stack_problems: Vec::new(),
            losses: Losses {
                events_dropped: lost.events as i64,
                events_over_limit: over_limit as i64,
                threads_untracked: lost.thread_events as i64,
                syscalls_untracked: (lost.syscalls + lost.irqs) as i64,
                stacks_lost: (lost.stacks + lost.off_cpu + stacks_lost) as i64,
                stacks_truncated: 0,
                frames_unresolved: 0,
                triggers_missed,
                recursion_misses,
                negative_intervals: negative_intervals as i64,
                switches_missed: switches_missed as i64,
            },
        };
        let recorded = Recorded {
            calls,
            blocked: off_cpu,
            stacks,
            problems,
        };
        Ok((sample, recorded))
    }
}

/// What the first events of later windows say of threads that were there before this time: what each of them had been doing
/// all along since its last event.
fn first_events<'a>(
    maps: &crate::probes::maps::Maps,
    later: impl IntoIterator<Item = &'a PendingWindow>,
    stop_ns: u64,
) -> HashMap<(u32, u32), FirstEvent> {
    let mut firsts = HashMap::new();
    for window in later {
        let harvested = window.seen.threads.iter().map(|seen| seen.first.clone());
        let recorded = records::first_events(maps, window.number);
        for first in harvested.chain(recorded) {
            if first.start_time_ns < stop_ns {
                firsts.entry((first.pid, first.tid)).or_insert(first);
            }
        }
    }
    firsts
}
