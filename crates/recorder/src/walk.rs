//! From a time in which a task waited to what it waited for, and so on: what of that time somebody did who ended the wait.
//!
//! A thread that is blocked from one time to another, and that another one then wakes, has waited for what that one did meanwhile; what
//! of this it was blocked itself, the one that woke it did; and so on (Giraldeau and Dagenais, Wait analysis of distributed systems
//! using kernel tracing, IEEE TPDS 2016). The parts add up to the time. Each step looks only into the time in which all before it were
//! blocked, in which none of them can have woken anybody: so the steps come to an end.

use abi::syscall::SyscallKey;

use crate::cpu::Turn;
use crate::event::{Cpu, Irq};
use crate::from_end::partition_from_end;
use crate::machine::Machine;
use crate::task::{Birth, Doing, Ended, How, Place, TaskId, Waker};

/// One step of the way from a wait to what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// It ran on a CPU. How it woke who stands before it, if it did; so also of the next ones.
    /// In which call, if it is known to have been in one.
    Running(TaskId, Option<SyscallKey>, Role),
    /// It waited for a CPU.
    Ready(TaskId, Role),
    Blocked(TaskId, Place, Role),
    Stopped(TaskId, Role),
    Frozen(TaskId, Role),
    /// Nobody knows what it did.
    Unknown(TaskId, Role),
    /// It had not ended its wait as the time was over.
    Unfinished,
    /// An interrupt has ended the wait.
    Interrupt(Irq),
    /// Something on an idle CPU of which no probe knows has.
    IdleCpu,
    /// Nobody knows what has.
    UnknownWaker,
    /// Whose turn it was on the CPU in whose queue the task waited.
    Turn(TaskId),
    IdleTurn,
    UnknownTurn,
    /// More steps than are taken.
    TooFar,
    /// More waits and turns than are looked at.
    TooMany,
    /// More different ways than are told apart.
    Others,
}

impl Step {
    /// With the call that a task was in as the window began, if it has come to be known.
    pub fn resolved(self, machine: &Machine) -> Self {
        match self {
            Self::Blocked(id, place, role) => {
                Self::Blocked(id, machine.task(id).resolve(place), role)
            }
            other => other,
        }
    }
}

/// What a task has to do with the one that stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing stands before it: the wait, or the path, is its own.
    Own,
    Waker(How),
    /// It made the waker, which was not there yet.
    Parent,
}

/// Takes in parts of a time, from the latest to the earliest: the way to what was going on, from when to when.
pub trait Parts {
    fn part(&mut self, way: &[Step], from_ns: u64, to_ns: u64);
}

/// How far one goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub steps: usize,
    /// Waits and turns that are looked at.
    pub looks: usize,
}

pub struct Walk<'m, P> {
    machine: &'m Machine,
    parts: P,
    way: Vec<Step>,
    limits: Limits,
    looks_left: usize,
}

impl<'m, P: Parts> Walk<'m, P> {
    pub fn new(machine: &'m Machine, limits: Limits, parts: P) -> Self {
        Self {
            machine,
            parts,
            way: Vec::new(),
            limits,
            looks_left: limits.looks,
        }
    }

    /// How many waits and turns might have been looked at besides.
    pub fn looks_left(&self) -> usize {
        self.looks_left
    }

    pub fn into_parts(self) -> P {
        self.parts
    }

    fn part(&mut self, step: Step, from_ns: u64, to_ns: u64) {
        if from_ns < to_ns {
            self.way.push(step);
            self.parts.part(&self.way, from_ns, to_ns);
            self.way.pop();
        }
    }

    /// What a task did from then to then. Where it was not there yet: what did the one that made it, from which it comes.
    pub fn follow(&mut self, id: TaskId, role: Role, from_ns: u64, to_ns: u64) {
        let (mut id, mut role, mut until_ns) = (id, role, to_ns);
        loop {
            until_ns = self.follow_one(id, role, from_ns, until_ns);
            match self.machine.task(id).parent {
                Some(Birth { parent, at_ns }) if from_ns < until_ns && until_ns <= at_ns => {
                    (id, role) = (parent, Role::Parent);
                }
                _ => return self.part(Step::Unknown(id, role), from_ns, until_ns),
            }
        }
    }

    /// As far back as it is known, which is returned.
    fn follow_one(&mut self, id: TaskId, role: Role, from_ns: u64, to_ns: u64) -> u64 {
        let intervals = self.machine.task(id).intervals();
        let end = partition_from_end(intervals, |interval| interval.from_ns < to_ns);
        let mut until_ns = to_ns;
        for (index, interval) in intervals[..end].iter().enumerate().rev() {
            if until_ns <= from_ns {
                break;
            }
            if self.looks_left == 0 {
                self.part(Step::TooMany, from_ns, until_ns);
                return from_ns;
            }
            self.looks_left -= 1;
            let begin_ns = interval.from_ns.max(from_ns);
            if begin_ns < until_ns {
                // What it does until the time is over, and beyond, has not ended in it.
                let next = intervals.get(index + 1);
                let goes_on = next.is_none_or(|next| next.from_ns > to_ns);
                self.interval(id, role, interval.doing, (begin_ns, until_ns), goes_on);
            }
            until_ns = begin_ns;
        }
        until_ns
    }

    fn is_too_far(&self) -> bool {
        self.way.len() >= self.limits.steps
    }

    fn interval(
        &mut self,
        id: TaskId,
        role: Role,
        doing: Doing,
        (from_ns, to_ns): (u64, u64),
        goes_on: bool,
    ) {
        match doing {
            Doing::Running(call) => self.part(Step::Running(id, call, role), from_ns, to_ns),
            Doing::Stopped(_) => self.part(Step::Stopped(id, role), from_ns, to_ns),
            Doing::Frozen(_) => self.part(Step::Frozen(id, role), from_ns, to_ns),
            Doing::Unseen | Doing::Unknown | Doing::Ended => {
                self.part(Step::Unknown(id, role), from_ns, to_ns);
            }
            Doing::Ready(queue) => {
                self.way.push(Step::Ready(id, role));
                self.turns(queue.cpu, from_ns, to_ns);
                self.way.pop();
            }
            Doing::Blocked(place, ended) => {
                self.way
                    .push(Step::Blocked(id, place, role).resolved(self.machine));
                let ended = if goes_on { Ended::NotYet } else { ended };
                self.ended(ended, from_ns, to_ns);
                self.way.pop();
            }
        }
    }

    /// What ended a wait, of which this is the time that matters.
    pub fn ended(&mut self, ended: Ended, from_ns: u64, to_ns: u64) {
        match ended {
            Ended::NotYet => self.part(Step::Unfinished, from_ns, to_ns),
            Ended::Somehow => self.part(Step::UnknownWaker, from_ns, to_ns),
            Ended::By(Waker::IdleCpu) => self.part(Step::IdleCpu, from_ns, to_ns),
            Ended::By(Waker::Irq(irq)) => self.part(Step::Interrupt(irq), from_ns, to_ns),
            Ended::By(Waker::Task(..)) if self.is_too_far() => {
                self.part(Step::TooFar, from_ns, to_ns);
            }
            Ended::By(Waker::Task(waker, how)) => {
                self.follow(waker, Role::Waker(how), from_ns, to_ns);
            }
        }
    }

    /// Whose turns it was meanwhile.
    pub fn turns(&mut self, cpu: Option<Cpu>, from_ns: u64, to_ns: u64) {
        let Some(turns) = cpu.and_then(|cpu| self.machine.turns(cpu)) else {
            return self.part(Step::UnknownTurn, from_ns, to_ns);
        };
        for (begin_ns, end_ns, turn) in turns.between(from_ns, to_ns) {
            if self.looks_left == 0 {
                return self.part(Step::TooMany, from_ns, end_ns);
            }
            self.looks_left -= 1;
            let step = match turn {
                Turn::Task(task) => Step::Turn(task),
                Turn::Idle => Step::IdleTurn,
                Turn::Unseen | Turn::Unknown => Step::UnknownTurn,
            };
            self.part(step, begin_ns, end_ns);
        }
    }
}
