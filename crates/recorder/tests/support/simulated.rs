//! Machines of which everything is known: random schedules, the records that a kernel would make of them, and the truth.

use std::collections::HashMap;

use abi::recorder::{
    Context, Kind, NEXT_IS_TARGET, PREV_IS_TARGET, Record, SINCE_UNKNOWN, WAS_STOPPED,
};
use proptest::prelude::*;
use recorder::event::Why;

use super::text::{key, state};

pub const CPUS: usize = 3;
pub const TASKS: usize = 6;
pub const CALL: &str = "futex";

/// The first are monitored.
pub const TARGETS: usize = 3;

pub fn pid(task: usize) -> u32 {
    task as u32 + 10
}

/// What a task is doing at a time, as its own log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// Likewise, in a call.
    InCall,
    /// In the queue of this CPU.
    Ready(usize),
    Blocked(Option<Cause>),
    Stopped,
    Unborn(usize),
    Dead,
}

/// What has ended, or will end, a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Task(usize),
    Irq(u32),
}

/// Something that may happen next, if it can.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The task on this CPU goes to sleep, and the first that waits comes.
    Sleep(usize),
    Stop(usize),
    Preempt(usize),
    End(usize),
    /// The task on this CPU begins a call, or ends the one that it is in.
    Call(usize),
    /// The task on this CPU wakes that one.
    Wake(usize, usize),
    Interrupt(usize, usize),
    Move(usize, usize),
    Bear(usize, usize),
}

pub fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        4 => (0..CPUS).prop_map(Step::Sleep),
        1 => (0..CPUS).prop_map(Step::Stop),
        3 => (0..CPUS).prop_map(Step::Preempt),
        1 => (0..CPUS).prop_map(Step::End),
        4 => (0..CPUS).prop_map(Step::Call),
        6 => (0..CPUS, 0..TASKS).prop_map(|(cpu, task)| Step::Wake(cpu, task)),
        3 => (0..CPUS, 0..TASKS).prop_map(|(cpu, task)| Step::Interrupt(cpu, task)),
        2 => (0..TASKS, 0..CPUS).prop_map(|(task, cpu)| Step::Move(task, cpu)),
        1 => (0..CPUS, 0..TASKS).prop_map(|(cpu, task)| Step::Bear(cpu, task)),
    ];
    prop::collection::vec((1u64..4, step), 1..120)
}

#[derive(Clone, Debug)]
pub struct Simulated {
    /// With the CPU that made each, in order.
    pub records: Vec<(u32, Record)>,
    pub stop_ns: u64,
    /// For each task, from when on it did what.
    states: Vec<Vec<(u64, State)>>,
    /// For each CPU, from when on which task ran on it.
    turns: Vec<Vec<(u64, Option<usize>)>>,
    /// For each task, since when it is in a call.
    calls: Vec<Option<u64>>,
    /// For each task, since when it is on its CPU, and from when until when it was there in calls.
    stays: Vec<(u64, Vec<(u64, u64)>)>,
}

pub const START_NS: u64 = 1_000;

impl Simulated {
    /// At the start the first tasks run, the next ones wait for them, and the others sleep, or are not born.
    pub fn run(steps: &[(u64, Step)]) -> Self {
        let first = |task: usize| match task {
            0..CPUS => State::Running,
            CPUS => State::Ready(0),
            _ if task < TASKS - 1 => State::Blocked(None),
            _ => State::Unborn(0),
        };
        let mut machine = Self {
            records: Vec::new(),
            stop_ns: START_NS,
            states: (0..TASKS)
                .map(|task| vec![(START_NS, first(task))])
                .collect(),
            turns: (0..CPUS).map(|cpu| vec![(START_NS, Some(cpu))]).collect(),
            calls: vec![None; TASKS],
            stays: vec![(START_NS, Vec::new()); TASKS],
        };
        for &(pause_ns, step) in steps {
            machine.stop_ns += pause_ns;
            machine.step(step);
        }
        machine.stop_ns += 5;
        // In which call a task was on a CPU comes to be known as it leaves.
        for task in 0..TASKS {
            if matches!(machine.state(task), State::Running | State::InCall) {
                let since_ns = machine.stays[task].0;
                machine.say_runs(task, |from_ns| from_ns >= since_ns);
            }
        }
        machine
    }

    /// Of what it began at such times, nothing tells that it was in a call.
    fn say_runs(&mut self, task: usize, when: impl Fn(u64) -> bool) {
        for (from_ns, state) in &mut self.states[task] {
            if *state == State::InCall && when(*from_ns) {
                *state = State::Running;
            }
        }
    }

    fn state(&self, task: usize) -> State {
        self.states[task].last().unwrap().1
    }

    fn running(&self, cpu: usize) -> Option<usize> {
        self.turns[cpu].last().unwrap().1
    }

    fn set(&mut self, task: usize, state: State) {
        self.states[task].push((self.stop_ns, state));
    }

    fn record(&mut self, cpu: usize, head: u64, tasks: u64) {
        let record = Record {
            head,
            at_ns: self.stop_ns,
            tasks,
            argument: 0,
        };
        self.records.push((cpu as u32, record));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Sleep(cpu) => self.leave(cpu, Why::Blocked, State::Blocked(None)),
            Step::Stop(cpu) => self.leave(cpu, Why::Stopped, State::Stopped),
            Step::Preempt(cpu) => self.leave(cpu, Why::Runnable, State::Ready(cpu)),
            Step::End(cpu) => self.leave(cpu, Why::Dead, State::Dead),
            Step::Call(cpu) => {
                if let Some(task) = self.running(cpu) {
                    self.call(task);
                }
            }
            Step::Wake(cpu, task) => {
                if let Some(waker) = self.running(cpu) {
                    self.wake(cpu, task, Cause::Task(waker));
                }
            }
            Step::Interrupt(cpu, task) => self.wake(cpu, task, Cause::Irq(7)),
            Step::Move(task, to) => {
                if let State::Ready(from) = self.state(task)
                    && from != to
                {
                    self.set(task, State::Ready(to));
                    let head = Record::head(Kind::Migrated, 0) | Record::number_word(from as u32);
                    self.record(to, head, Record::pair(pid(task), to as u32));
                    self.fill(to);
                }
            }
            Step::Bear(cpu, task) => {
                if let (State::Unborn(_), Some(parent)) = (self.state(task), self.running(cpu)) {
                    self.set(task, State::Ready(cpu));
                    let head = Record::head(Kind::Born, 0) | Record::number_word(cpu as u32);
                    self.record(cpu, head, Record::pair(pid(task), pid(parent)));
                    self.states[task][0].1 = State::Unborn(parent);
                }
            }
        }
    }

    fn call(&mut self, task: usize) {
        match self.calls[task].take() {
            None => {
                self.calls[task] = Some(self.stop_ns);
                self.set(task, State::InCall);
            }
            Some(since_ns) => {
                let (on_cpu_ns, calls) = &mut self.stays[task];
                calls.push((since_ns.max(*on_cpu_ns), self.stop_ns));
                self.set(task, State::Running);
            }
        }
    }

    /// Of a target that is about to leave.
    fn record_calls(&mut self, cpu: usize, task: usize) {
        for (from_ns, to_ns) in std::mem::take(&mut self.stays[task].1) {
            let head = Record::head(Kind::Call, 0) | Record::call_word(key(CALL).bits());
            self.record(cpu, head, Record::pair(pid(task), (to_ns - from_ns) as u32));
            if let Some((_, record)) = self.records.last_mut() {
                record.argument = to_ns;
            }
        }
    }

    /// The longest waiting comes next.
    fn next(&self, cpu: usize) -> Option<usize> {
        let waiting = (0..TASKS).filter(|&task| self.state(task) == State::Ready(cpu));
        waiting.min_by_key(|&task| self.states[task].last().unwrap().0)
    }

    fn leave(&mut self, cpu: usize, why: Why, state: State) {
        let next = self.next(cpu);
        let Some(prev) = self.running(cpu) else {
            return;
        };
        if why == Why::Runnable && next.is_none() {
            return;
        }
        self.set(prev, state);
        self.switch(cpu, Some(prev), why, next);
    }

    fn switch(&mut self, cpu: usize, prev: Option<usize>, why: Why, next: Option<usize>) {
        if let Some(next) = next {
            let is_in_call = self.calls[next].is_some();
            self.set(
                next,
                if is_in_call {
                    State::InCall
                } else {
                    State::Running
                },
            );
            self.stays[next].0 = self.stop_ns;
        }
        self.turns[cpu].push((self.stop_ns, next));
        let bit = |task: Option<usize>, bit| match task {
            Some(0..TARGETS) => bit,
            _ => 0,
        };
        let detail = bit(prev, PREV_IS_TARGET) | bit(next, NEXT_IS_TARGET);
        let since_ns = match prev {
            Some(target @ 0..TARGETS) => {
                self.record_calls(cpu, target);
                self.calls[target]
            }
            Some(other) => {
                self.stays[other].1.clear();
                None
            }
            None => None,
        };
        let call = if why == Why::Blocked || since_ns.is_some() {
            Record::call_word(key(CALL).bits())
        } else {
            0
        };
        let of = |task: Option<usize>| task.map_or(0, pid);
        let tasks = Record::pair(of(prev), of(next));
        let state = Record::number_word(state(why));
        self.record(
            cpu,
            Record::head(Kind::Switch, detail) | state | call,
            tasks,
        );
        if let Some((_, record)) = self.records.last_mut() {
            record.argument = since_ns.unwrap_or(SINCE_UNKNOWN);
        }
    }

    /// An idle CPU takes whoever waits.
    fn fill(&mut self, cpu: usize) {
        if self.running(cpu).is_none()
            && let Some(next) = self.next(cpu)
        {
            // A CPU does not see at once what another one does.
            self.stop_ns += 1;
            self.switch(cpu, None, Why::Runnable, Some(next));
        }
    }

    fn wake(&mut self, cpu: usize, task: usize, cause: Cause) {
        let state = self.state(task);
        if !matches!(state, State::Blocked(_) | State::Stopped) {
            return;
        }
        if let State::Blocked(_) = state {
            self.states[task].last_mut().unwrap().1 = State::Blocked(Some(cause));
        }
        let target = if task < TARGETS { PREV_IS_TARGET } else { 0 };
        let (context, waker) = match cause {
            Cause::Task(waker) => (0, pid(waker)),
            Cause::Irq(number) => (Context::HardIrq.word(number), 0),
        };
        let stopped = if state == State::Stopped {
            WAS_STOPPED
        } else {
            0
        };
        let head = Record::head(Kind::Waking, target | stopped) | context;
        self.record(cpu, head, Record::pair(pid(task), waker));
        let last_on = self.last_cpu(task).unwrap_or(cpu);
        if let Some((_, record)) = self.records.last_mut() {
            record.argument = (last_on as u64 + 1) << 32;
        }
        self.set(task, State::Ready(last_on));
        self.fill(last_on);
    }

    fn last_cpu(&self, task: usize) -> Option<usize> {
        let latest = (0..CPUS).filter_map(|cpu| {
            let mut turns = self.turns[cpu].iter().rev();
            turns
                .find(|(_, of)| *of == Some(task))
                .map(|&(at_ns, _)| (at_ns, cpu))
        });
        latest.max().map(|(_, cpu)| cpu)
    }

    pub fn at(&self, task: usize, ns: u64) -> State {
        let states = &self.states[task];
        let after = states.partition_point(|&(from_ns, _)| from_ns <= ns);
        states[after.saturating_sub(1)].1
    }

    pub fn turn(&self, cpu: usize, ns: u64) -> Option<usize> {
        let turns = &self.turns[cpu];
        let after = turns.partition_point(|&(from_ns, _)| from_ns <= ns);
        turns[after.saturating_sub(1)].1
    }

    /// What a task was doing, and what it waited for, and so on, at one instant.
    pub fn way(&self, task: usize, ns: u64) -> Vec<String> {
        let name = |task: usize| pid(task).to_string();
        let mut way = Vec::new();
        let mut task = task;
        loop {
            match self.at(task, ns) {
                // Of others than targets nobody knows.
                State::InCall if task < TARGETS => {
                    way.push(format!("{} runs in {CALL}", name(task)));
                }
                State::Running | State::InCall => way.push(format!("{} runs", name(task))),
                State::Stopped => way.push(format!("{} stopped", name(task))),
                State::Dead => way.push(format!("{} dead", name(task))),
                State::Ready(cpu) => {
                    way.push(format!("{} ready", name(task)));
                    let turn = self.turn(cpu, ns);
                    way.push(turn.map_or("idle".to_owned(), |of| format!("turn of {}", name(of))));
                }
                State::Unborn(parent) => {
                    task = parent;
                    continue;
                }
                State::Blocked(cause) => {
                    way.push(format!("{} blocked", name(task)));
                    match cause {
                        Some(Cause::Task(waker)) => {
                            task = waker;
                            continue;
                        }
                        Some(Cause::Irq(number)) => way.push(format!("irq {number}")),
                        None => way.push("unfinished".to_owned()),
                    }
                }
            }
            return way;
        }
    }

    /// Sums by way of the times in which it waited.
    pub fn waits(&self, task: usize) -> HashMap<Vec<String>, u64> {
        let mut sums = HashMap::new();
        for ns in START_NS..self.stop_ns {
            if matches!(self.at(task, ns), State::Blocked(_) | State::Ready(_)) {
                *sums.entry(self.way(task, ns)).or_default() += 1;
            }
        }
        sums
    }
}

/// Each whole wait for a CPU, by whose turns they were; and each sleep's part in the window, by what ended it.
impl Simulated {
    pub fn instead(&self, task: usize) -> HashMap<String, u64> {
        let mut sums = HashMap::new();
        let mut waiting: Vec<u64> = Vec::new();
        for ns in START_NS..=self.stop_ns {
            match self.at(task, ns) {
                State::Ready(_) => waiting.push(ns),
                State::Running | State::InCall
                    if waiting.first().is_some_and(|&ns| ns > START_NS) =>
                {
                    for ns in waiting.drain(..) {
                        let way = self.way(task, ns);
                        *sums.entry(way[1].clone()).or_default() += 1;
                    }
                }
                _ => waiting.clear(),
            }
        }
        sums
    }

    pub fn wakers(&self, task: usize) -> HashMap<String, u64> {
        let mut sums = HashMap::new();
        for ns in START_NS..self.stop_ns {
            if let State::Blocked(Some(cause)) = self.at(task, ns) {
                let who = match cause {
                    Cause::Task(task) => pid(task).to_string(),
                    Cause::Irq(number) => format!("irq {number}"),
                };
                *sums.entry(who).or_default() += 1;
            }
        }
        sums
    }
}
