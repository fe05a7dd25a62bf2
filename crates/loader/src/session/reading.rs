//! From a closed window to its sample, while later windows may already be open.

use std::collections::{HashMap, HashSet};

use crate::calls::of_sample::Calls;
use crate::calls::recorded::Recorded;
use crate::calls::ring;
use crate::error::Result;
use crate::probes::control;
use crate::probes::maps::Maps;
use crate::sample::{CriticalPath, Losses, Target, Thread, Upcall};
use crate::session::forgetting::forget_tasks;
use crate::session::sample::Sample;
use crate::session::sealing::{Looked, look, sleep_until};
use crate::session::shared::Shared;
use crate::session::state::{Closed, Counted};
use crate::session::strangers::{drop_strangers, forget_gone};
use crate::session::window::{Harvested, Span};
use crate::targets::identity::Identity;
use crate::targets::process;
use crate::threads::cgroup::find_cgroups;
use crate::threads::chains::of_one_without_events;
use crate::threads::critical_path::{self, Times};
use crate::threads::merge::{Events, merged, with_seen};
use crate::threads::recorded_names::Names;
use crate::threads::records;
use crate::threads::seen::{FirstEvent, Seen};
use crate::threads::waits;

/// Discarded windows whose records wait for a grace period to be freed. With the pending ones, and the one that is being read,
/// they must be fewer than the windows that the programs tell apart.
const MOST_DISCARDED: usize = 4;

/// What is kept from one reading to the next. Whoever has it reads.
pub struct Reader {
    targets: Vec<Target>,
    /// Up to the start of the window that was read last.
    triggers_missed_before: u32,
    /// Windows that were closed and will not be read: their records are not free yet.
    discarded: Vec<u32>,
    /// The oldest window's, if it was looked at before it was asked for.
    taken: Option<(Sample, Recorded)>,
}

/// What the maps held of a window.
struct Taken {
    seen: Seen,
    recorded: Recorded,
    calls_over_limit: u64,
    stacks_lost: u64,
    upcalls: Option<Vec<Upcall>>,
}

impl Reader {
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            targets,
            triggers_missed_before: 0,
            discarded: Vec::new(),
            taken: None,
        }
    }

    /// The oldest window's sample, and what was recorded in it: to describe that may take seconds, and other windows need not
    /// wait for it.
    pub fn read(&mut self, shared: &Shared) -> Result<(Sample, Recorded)> {
        match self.taken.take() {
            Some(taken) => {
                shared.lock().taken = None;
                Ok(taken)
            }
            None => self.read_window(shared),
        }
    }

    /// The same, which is still to be read or discarded.
    pub fn peek(&mut self, shared: &Shared) -> Result<&Recorded> {
        let taken = match self.taken.take() {
            Some(taken) => taken,
            None => {
                let (sample, recorded) = self.read_window(shared)?;
                let mut state = shared.lock();
                if !state.is_closed() {
                    state.taken = Some((sample.start.clone(), sample.stop.clone()));
                }
                (sample, recorded)
            }
        };
        Ok(&self.taken.insert(taken).1)
    }

    /// Forgets the oldest window, which is closed: what its threads did in it is not looked at.
    pub fn discard(&mut self, shared: &Shared) -> Result<()> {
        if self.taken.take().is_some() {
            shared.lock().taken = None;
            return Ok(());
        }
        let Closed {
            window,
            start,
            stop,
            attached,
            ..
        } = shared.advanced()?.begin_reading()?;
        sleep_until(stop.at_ns);
        if let Err(error) = control::seal(&attached.probes, window.number) {
            shared.lock().put_back(window);
            return Err(error);
        }
        window.harvested.take();
        if let Some(mut recording) = attached.recording() {
            recording.forget(Span {
                number: window.number,
                start_ns: start.at_ns,
                stop_ns: stop.at_ns,
            });
            recording.tell_edges(&start, &stop, true);
        }
        if let Some(events) = &attached.events {
            events.forget(window.number);
        }
        self.discarded.push(window.number);
        let freed = if self.discarded.len() >= MOST_DISCARDED {
            attached
                .grace_period
                .wait()
                .and_then(|()| self.free_discarded(&attached.maps))
        } else {
            Ok(())
        };
        let mut state = shared.lock();
        state.end_reading(None);
        // The window is gone, as was asked for: the next one that is read tells what else went wrong.
        if let Err(error) = freed {
            state.fail(error);
        }
        Ok(())
    }

    fn read_window(&mut self, shared: &Shared) -> Result<(Sample, Recorded)> {
        let closed = {
            let mut state = shared.advanced()?;
            if state.closed_window().is_some() {
                state.take_failure()?;
            }
            state.begin_reading()?
        };
        let looked = match look(shared, &closed) {
            Ok(looked) => looked,
            Err(error) => {
                shared.lock().put_back(closed.window);
                return Err(error);
            }
        };
        let taken = take(&closed);
        let later: Vec<(u32, Harvested)> = {
            let state = shared.lock();
            let windows = state.windows.iter();
            windows
                .map(|window| (window.number, window.harvested.clone()))
                .collect()
        };
        let mut firsts = first_events(&closed.attached.maps, &later, closed.stop.at_ns);
        let freed = self.free(&closed, taken.is_ok());
        let counts = end_reading(shared, &closed, freed);
        let Taken {
            mut seen,
            mut recorded,
            calls_over_limit,
            stacks_lost,
            upcalls,
        } = taken?;
        let (recorder_lost, critical_path) = attribute_waits(&closed, &mut seen);
        drop_strangers(shared, &mut seen, &mut firsts, &mut recorded);
        tell_calls(&closed, &recorded);
        recorded.blocked = std::mem::take(&mut seen.off_cpu);
        let Looked {
            there,
            idle,
            stolen_ns,
        } = looked;
        forget_gone(&mut seen, &there);
        let (start, stop) = (closed.start, closed.stop);
        let pids = there.iter().map(|identity| identity.pid).collect();
        let pids = with_seen(pids, &seen.threads);
        let events = match counts.lost.thread_events {
            0 => Events::All,
            _ => Events::SomeLost,
        };
        let mut threads = merged(seen.threads, firsts, idle, &there, (&start, &stop), events);
        if closed.attached.recording.is_some() {
            for thread in threads.iter_mut().filter(|thread| thread.chains.is_none()) {
                thread.chains = Some(of_one_without_events(thread));
            }
        }
        find_cgroups(&mut threads, &start, &stop);
        self.name_targets(&pids, &there, &threads);
        let triggers_missed = start
            .triggers_missed
            .wrapping_sub(self.triggers_missed_before);
        self.triggers_missed_before = start.triggers_missed;
        let Counts {
            lost,
            recursion_misses,
        } = counts;
        let sample = Sample {
            start,
            stop,
            starts_in_window: lost.starts_in_window as i64,
            targets: self.targets.clone(),
            threads,
            critical_path,
            steal_ns: stolen_ns,
            upcalls,
            calls: Calls::default(),
            off_cpu: Vec::new(),
            stacks: Vec::new(),
            stack_problems: Vec::new(),
            losses: Losses {
                events_dropped: lost.events as i64,
                events_over_limit: calls_over_limit as i64,
                threads_untracked: lost.thread_events as i64,
                syscalls_untracked: (lost.syscalls + lost.irqs) as i64,
                stacks_lost: (lost.stacks + lost.off_cpu + stacks_lost) as i64,
                stacks_truncated: 0,
                frames_unresolved: 0,
                triggers_missed: i64::from(triggers_missed),
                recursion_misses,
                negative_intervals: seen.negative_intervals as i64,
                switches_missed: seen.switches_missed as i64,
                recorder_overwritten: recorder_lost as i64,
            },
        };
        Ok((sample, recorded))
    }

    /// After a grace period, which the discarded windows have waited for as well.
    fn free(&mut self, closed: &Closed, was_taken: bool) -> Result<()> {
        let maps = &closed.attached.maps;
        self.free_discarded(maps)?;
        let number = closed.window.number;
        if was_taken {
            records::free_all(maps, number)
        } else {
            records::discard_all(maps, number)
        }
    }

    /// Names the children that have joined, and anew whoever has executed another program.
    fn name_targets(&mut self, pids: &[u32], there: &[Identity], threads: &[Thread]) {
        let there: HashMap<u32, &Identity> = there.iter().map(|child| (child.pid, child)).collect();
        let mut leaders: HashMap<u32, &Thread> = HashMap::new();
        for thread in threads {
            let leader = leaders.entry(thread.pid).or_insert(thread);
            if thread.tid < leader.tid {
                *leader = thread;
            }
        }
        // Of one that has ended, what it executed is gone with it.
        let described = |pid: u32, comm: &str| {
            let process = there.get(&pid);
            let target = |pid| Ok(process::target_or(pid, comm));
            let found = process.and_then(|process| process.while_there(target).ok().flatten());
            found.unwrap_or_else(|| Target::named(pid, comm))
        };
        for target in &mut self.targets {
            // The process's own name is its leader's, which changes as it executes a program.
            let leader = leaders.get(&target.pid);
            let leader = leader.filter(|leader| leader.tid == target.pid);
            if let Some(leader) = leader.filter(|leader| leader.comm != target.comm) {
                *target = described(target.pid, &leader.comm);
            }
        }
        let known: HashSet<u32> = self.targets.iter().map(|target| target.pid).collect();
        for &pid in pids.iter().filter(|pid| !known.contains(pid)) {
            let comm = leaders.get(&pid).map_or("", |thread| thread.comm.as_str());
            self.targets.push(described(pid, comm));
        }
    }

    /// After a grace period.
    fn free_discarded(&mut self, maps: &Maps) -> Result<()> {
        while let Some(&window) = self.discarded.last() {
            records::discard_all(maps, window)?;
            self.discarded.pop();
        }
        Ok(())
    }
}

struct Counts {
    lost: abi::control::Losses,
    recursion_misses: Option<i64>,
}

/// The window's records are free; what went wrong with that, the next one that is read tells.
fn end_reading(shared: &Shared, closed: &Closed, freed: Result<()>) -> Counts {
    let (by_now, counted) = Counted::by_now(&closed.attached);
    let before = shared.lock().end_reading(Some(by_now));
    let lost = by_now.losses.since(&before.losses);
    let forgotten = if lost.thread_events > 0 {
        forget_tasks(shared, &closed.attached.maps)
    } else {
        Ok(())
    };
    for result in [freed, counted, forgotten] {
        if let Err(error) = result {
            shared.lock().fail(error);
        }
    }
    let misses = by_now.recursion_misses.zip(before.recursion_misses);
    Counts {
        lost,
        recursion_misses: misses.map(|(after, before)| after.saturating_sub(before) as i64),
    }
}

/// After a grace period. Returns how much was recorded that nobody has read, and the window's critical path.
fn attribute_waits(closed: &Closed, seen: &mut Seen) -> (u64, Option<CriticalPath>) {
    let Some(mut recording) = closed.attached.recording() else {
        return (0, None);
    };
    let mut recorded = recording.finish(Span {
        number: closed.window.number,
        start_ns: closed.start.at_ns,
        stop_ns: closed.stop.at_ns,
    });
    recording.tell_edges(&closed.start, &closed.stop, false);
    // What follows takes a while, which the next window's records need not wait for.
    drop(recording);
    let are_shown = closed.attached.has_kernel_pids;
    let names = Names::new(recorded.names, are_shown, closed.start.at_ns);
    waits::attribute(
        &mut seen.threads,
        &mut recorded.machine,
        &recorded.waits,
        &names,
    );
    let by = match (&closed.stop.by, closed.attached.before_ns) {
        (None, 1..) => &closed.start.by,
        (by, _) => by,
    };
    let triggering = by.as_ref().map(|thread| thread.tid);
    let tid = closed.attached.critical_path_of.or(triggering);
    let times = Times {
        begin_ns: recorded.begin_ns,
        start_ns: closed.start.at_ns,
        stop_ns: closed.stop.at_ns,
    };
    let path = tid.and_then(|tid| critical_path::of_thread(tid, &recorded.machine, &names, times));
    let is_any_lost = recorded.lost > 0;
    let of_triggering = by.as_ref().filter(|by| Some(by.tid) == tid && by.tid != 0);
    let path = path.or_else(|| {
        of_triggering.map(|thread| critical_path::without_records(thread, times, is_any_lost))
    });
    (recorded.lost, path)
}

/// Some at a time: who takes in what is recorded must not wait for them all.
fn tell_calls(closed: &Closed, recorded: &Recorded) {
    const AT_ONCE: usize = 1024;
    for calls in recorded.calls.chunks(AT_ONCE) {
        let recording = closed.attached.recording();
        let is_told = recording.is_some_and(|mut recording| recording.tell_calls(calls));
        if !is_told {
            return;
        }
    }
}

/// Reads a sealed window's records, after a grace period.
fn take(closed: &Closed) -> Result<Taken> {
    let Closed {
        window,
        stop,
        attached,
        ..
    } = closed;
    let number = window.number;
    let mut seen = window.harvested.take();
    records::read_all(
        &attached.maps,
        number,
        stop.at_ns,
        &window.stopped,
        &mut seen,
    )?;
    let upcalls = attached.upcalls.as_ref();
    let upcalls = upcalls.map(|upcalls| upcalls.take(number)).transpose()?;
    let events = attached.events.as_ref();
    let ring::Taken {
        calls,
        stacks,
        stacks_lost,
        problems,
    } = events.map(|events| events.take(number)).unwrap_or_default();
    let (calls, calls_over_limit) = calls.in_order();
    let recorded = Recorded {
        calls,
        blocked: Vec::new(),
        stacks,
        problems,
    };
    Ok(Taken {
        seen,
        recorded,
        calls_over_limit,
        stacks_lost,
        upcalls,
    })
}

/// What the first events of later windows say of threads that were there before this time: what each of them had been doing
/// all along since its last event.
fn first_events(
    maps: &Maps,
    later: &[(u32, Harvested)],
    stop_ns: u64,
) -> HashMap<(u32, u32), FirstEvent> {
    let mut firsts = HashMap::new();
    for (number, harvested) in later {
        // The records first: what is harvested between the two looks is found by both of them.
        let mut events: Vec<FirstEvent> = records::first_events(maps, *number).collect();
        harvested.with(|seen| events.extend(seen.threads.iter().map(|seen| seen.first.clone())));
        for first in events {
            if first.start_time_ns < stop_ns {
                firsts.entry((first.pid, first.tid)).or_insert(first);
            }
        }
    }
    firsts
}
