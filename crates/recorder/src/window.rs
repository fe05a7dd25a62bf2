//! One window's events, and what they say of its targets' waits.

use abi::durations::Durations;
use rustc_hash::FxHashMap;

use crate::chain::{Chains, Looks};
use crate::cpu::Turn;
use crate::event::{Cpu, Event};
use crate::from_end::partition_from_end;
use crate::machine::{Machine, Wait, WaitKind};
use crate::task::{Doing, TaskId, Waker};

/// What is remembered of a window, in things of some 32 bytes: what its waits are attributed by. Of a longer one the beginning is
/// forgotten.
pub const MOST_REMEMBERED: usize = 1 << 20;

/// What a target's waits were about.
#[derive(Default)]
pub struct Waits {
    /// Whose turn it was while the thread waited for a CPU, of the waits that began and ended in the window. They add up to these.
    pub instead: FxHashMap<Turn, Durations>,
    /// The same by the CPU in whose queue it waited.
    pub queues: FxHashMap<Cpu, u64>,
    /// Who ended its sleeps, of which the part in the window counts.
    pub wakers: FxHashMap<Waker, Durations>,
    /// Of all its sleeps and waits, as far as they are in the window.
    pub chains: Chains,
}

/// In which call a waker was is known once it has ended it, or left its CPU: so long after a wait's end that is looked for.
const SETTLED_NS: u64 = 10_000_000;

pub struct Window {
    start_ns: u64,
    machine: Machine,
    waits: FxHashMap<TaskId, Waits>,
    looks: Looks,
    /// Ended, and not attributed yet, in the order of their ends.
    ended: Vec<Wait>,
    most_remembered: usize,
}

impl Window {
    /// Of a machine of which something may be known since before the window.
    pub fn new(start_ns: u64, machine: Machine) -> Self {
        Self {
            start_ns,
            machine,
            waits: FxHashMap::default(),
            looks: Looks::default(),
            ended: Vec::new(),
            most_remembered: MOST_REMEMBERED,
        }
    }

    pub fn remembering(self, most: usize) -> Self {
        Self {
            most_remembered: most,
            ..self
        }
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// See [`Machine::ran_all_along`].
    pub fn ran_all_along(&mut self, cpu: Cpu, pid: u32) {
        self.machine.ran_all_along(cpu, pid);
    }

    /// The next events, in the order of time.
    pub fn take(&mut self, events: &[Event]) {
        self.take_watched(events, |_, _, _| ());
    }

    /// The same; `watch` is told of each, once the machine has taken it in, and of the target's wait that it has ended.
    pub fn take_watched(
        &mut self,
        events: &[Event],
        mut watch: impl FnMut(&Machine, &Event, Option<&Wait>),
    ) {
        for event in events {
            let ended = self.machine.apply(event);
            watch(&self.machine, event, ended.as_ref());
            self.ended.extend(ended);
        }
        let Some(latest) = events.last() else {
            return;
        };
        self.attribute_ended_by(latest.at_ns.saturating_sub(SETTLED_NS));
        while self.machine.remembered() > self.most_remembered {
            let known_ns = latest.at_ns.saturating_sub(self.machine.known_from_ns());
            if known_ns == 0 {
                break;
            }
            self.attribute_ended_by(u64::MAX);
            self.machine.forget(latest.at_ns - known_ns / 2);
        }
    }

    fn attribute_ended_by(&mut self, until_ns: u64) {
        let settled = self.ended.iter().take_while(|wait| wait.to_ns <= until_ns);
        let settled = settled.count();
        let mut waits: Vec<Wait> = self.ended.drain(..settled).collect();
        // Thread by thread: each has many sums, which are in the processor's cache for all of its waits then.
        waits.sort_by_key(|wait| wait.task);
        for wait in &waits {
            self.attribute(wait);
        }
    }

    fn attribute(&mut self, wait: &Wait) {
        let is_whole = wait.from_ns > self.start_ns;
        let from_ns = wait.from_ns.max(self.start_ns);
        if from_ns >= wait.to_ns {
            return;
        }
        let waits = self.waits.entry(wait.task).or_default();
        match wait.kind {
            WaitKind::Blocked(by) => {
                let by = by.in_any_way();
                waits
                    .wakers
                    .entry(by)
                    .or_default()
                    .add(wait.to_ns - from_ns);
            }
            WaitKind::Ready if is_whole => waits.count_turns(&self.machine, wait),
            WaitKind::Ready => {}
        }
        let time = (from_ns, wait.to_ns);
        waits
            .chains
            .add(&self.machine, &mut self.looks, wait.task, time);
    }

    /// The window ends: what goes on is cut.
    pub fn close(mut self, stop_ns: u64) -> (Machine, FxHashMap<TaskId, Waits>) {
        self.attribute_ended_by(u64::MAX);
        for (id, task) in self.machine.tasks() {
            let since_ns = match task.doing() {
                Doing::Blocked(..) => task.since_ns(),
                Doing::Ready(_) => task
                    .ready_since_ns(task.intervals().len())
                    .unwrap_or(stop_ns),
                _ => continue,
            };
            if task.is_target && since_ns < stop_ns {
                let waits = self.waits.entry(id).or_default();
                let from_ns = since_ns.max(self.start_ns);
                let time = (from_ns, stop_ns);
                waits.chains.add(&self.machine, &mut self.looks, id, time);
            }
        }
        (self.machine, self.waits)
    }
}

impl Waits {
    fn count_turns(&mut self, machine: &Machine, wait: &Wait) {
        let intervals = machine.task(wait.task).intervals();
        let first = partition_from_end(intervals, |interval| interval.from_ns < wait.from_ns);
        for (index, interval) in intervals.iter().enumerate().skip(first) {
            let Doing::Ready(queue) = interval.doing else {
                break;
            };
            let Some(cpu) = queue.cpu else {
                continue;
            };
            let next = intervals.get(index + 1);
            let to_ns = next.map_or(wait.to_ns, |next| next.from_ns).min(wait.to_ns);
            *self.queues.entry(cpu).or_default() += to_ns - interval.from_ns;
            let Some(turns) = machine.turns(cpu) else {
                continue;
            };
            for (begin_ns, end_ns, turn) in turns.between(interval.from_ns, to_ns) {
                self.instead.entry(turn).or_default().add(end_ns - begin_ns);
            }
        }
    }
}
