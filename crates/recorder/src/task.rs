//! What a task did, one thing after the other.

use abi::syscall::SyscallKey;
use abi::thread::state::MOST_EARLY_NS;

use crate::event::{Cpu, Irq, Leaving, Pid, TaskName, Why};

/// A task of the machine: no two have the same one, whatever their pids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// What its next event tells.
    Unseen,
    /// Something that nobody knows.
    Unknown,
    /// In which call, as far as that is known: `None` is user code, too, and short calls.
    Running(Option<SyscallKey>),
    Ready(Queue),
    /// In what, and until this.
    Blocked(Place, Ended),
    Stopped(Ended),
    Frozen(Ended),
    /// For good.
    Ended,
}

/// In which call a task is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Call(SyscallKey),
    /// In none, or nobody knows.
    Nowhere,
    /// In what it was in as the window began: who wakes it does not record that ([`Task::first_call`]).
    SinceBefore,
}

impl From<Option<SyscallKey>> for Place {
    fn from(call: Option<SyscallKey>) -> Self {
        call.map_or(Self::Nowhere, Self::Call)
    }
}

/// Where a task waits for its turn, and since what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `None`: nobody knows.
    pub cpu: Option<Cpu>,
    /// Another task's turn began before this one's was over, or it gave its own up.
    pub was_preempted: bool,
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has not ended.
    NotYet,
    By(Waker),
    /// Nobody knows.
    Somehow,
}

impl Waker {
    /// The same one, however it did it.
    pub fn in_any_way(self) -> Self {
        match self {
            Self::Task(id, _) => Self::Task(id, How::Call(None)),
            other => other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waker {
    Task(TaskId, How),
    Irq(Irq),
    /// A CPU that had nothing else to do: in an interrupt of which no probe knows.
    IdleCpu,
}

/// How a task woke another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// In this call, if that is known.
    Call(Option<SyscallKey>),
    /// By its own end.
    Exit,
}

/// From when on a task did what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub from_ns: u64,
    pub doing: Doing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    pub parent: TaskId,
    pub at_ns: u64,
}

pub struct Task {
    pub pid: Pid,
    pub name: Option<TaskName>,
    pub is_target: bool,
    /// If it was seen.
    pub parent: Option<Birth>,
    /// What it has done, without gaps; the last one it is doing still. Never empty.
    intervals: Vec<Interval>,
    /// It was woken while it had not left its CPU yet: another CPU may see it asleep before its switch is recorded.
    early: Option<(u64, Waker)>,
    /// On which it was last, or in whose queue it is.
    pub cpu: Option<Cpu>,
    /// In which it was blocked as the window began, if it was, as others than the recorder may know once the window is over.
    pub first_call: Option<SyscallKey>,
}

impl Task {
    /// Of which the first thing that is known is what it was doing at this time.
    pub fn new(pid: Pid, from_ns: u64, doing: Doing) -> Self {
        Self {
            pid,
            name: None,
            is_target: false,
            parent: None,
            intervals: vec![Interval { from_ns, doing }],
            early: None,
            cpu: None,
            first_call: None,
        }
    }

    pub fn resolve(&self, place: Place) -> Place {
        match (place, self.first_call) {
            (Place::SinceBefore, Some(call)) => Place::Call(call),
            _ => place,
        }
    }

    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    pub fn doing(&self) -> Doing {
        self.intervals
            .last()
            .map_or(Doing::Unseen, |interval| interval.doing)
    }

    /// Since when it is doing that.
    pub fn since_ns(&self) -> u64 {
        self.intervals.last().map_or(0, |interval| interval.from_ns)
    }

    /// The clocks of two CPUs may disagree by some ns: nothing begins before what came before it.
    pub fn begin(&mut self, at_ns: u64, doing: Doing) {
        let from_ns = at_ns.max(self.since_ns());
        self.intervals.push(Interval { from_ns, doing });
    }

    /// What it was doing until now is another thing than what was believed.
    pub fn correct(&mut self, doing: Doing) {
        if let Some(latest) = self.intervals.last_mut() {
            latest.doing = doing;
        }
    }

    /// Since when it has waited for a CPU, in one queue after the other, if it was doing that before the interval of this number.
    pub fn ready_since_ns(&self, end: usize) -> Option<u64> {
        let before = self.intervals[..end].iter().rev();
        let waiting = before.take_while(|interval| matches!(interval.doing, Doing::Ready(_)));
        waiting.last().map(|first| first.from_ns)
    }

    /// An event tells that this is what it has been doing, if none has told anything yet.
    pub fn see(&mut self, doing: Doing) {
        if self.doing() == Doing::Unseen {
            self.correct(doing);
        }
    }

    /// What it does from then to then is not known, nor what comes after it, up to its next event.
    pub fn lose(&mut self, from_ns: u64, to_ns: u64) {
        self.early = None;
        self.cpu = None;
        self.end_sleep(Ended::Somehow);
        self.begin(from_ns, Doing::Unknown);
        self.begin(to_ns, Doing::Unseen);
    }

    /// Of a task that was taken for one that runs.
    pub fn woken_early(&mut self, at_ns: u64, by: Waker) {
        self.early = Some((at_ns, by));
    }

    /// As it leaves its CPU: from then to then it was there in this call. What it is told that is not within its time on the CPU is none.
    pub fn was_in_call(&mut self, call: SyscallKey, from_ns: u64, to_ns: u64) {
        if self.enter(call, from_ns, to_ns) {
            self.begin(to_ns, Doing::Running(None));
        }
    }

    fn enter(&mut self, call: SyscallKey, from_ns: u64, to_ns: u64) -> bool {
        let from_ns = from_ns.max(self.since_ns());
        if self.doing() != Doing::Running(None) || from_ns >= to_ns {
            return false;
        }
        let doing = Doing::Running(Some(call));
        if from_ns == self.since_ns() {
            self.correct(doing);
        } else {
            self.begin(from_ns, doing);
        }
        true
    }

    /// It leaves its CPU.
    pub fn leave(&mut self, at_ns: u64, leaving: Leaving, cpu: Cpu) {
        let Leaving { why, call, .. } = leaving;
        if let Some(call) = call {
            self.enter(call, leaving.call_since_ns, at_ns);
        }
        self.cpu = Some(cpu);
        let early = self.early.take();
        self.begin(
            at_ns,
            match why {
                Why::Runnable => Doing::Ready(Queue {
                    cpu: Some(cpu),
                    was_preempted: true,
                }),
                Why::Blocked => Doing::Blocked(call.into(), Ended::NotYet),
                Why::Stopped => Doing::Stopped(Ended::NotYet),
                Why::Frozen => Doing::Frozen(Ended::NotYet),
                Why::Dead => Doing::Ended,
            },
        );
        if self.sleeps() {
            self.early =
                early.filter(|(woken_ns, _)| woken_ns.saturating_add(MOST_EARLY_NS) >= at_ns);
        }
    }

    pub fn runs(&self) -> bool {
        matches!(self.doing(), Doing::Running(_))
    }

    pub fn sleeps(&self) -> bool {
        matches!(
            self.doing(),
            Doing::Blocked(..) | Doing::Stopped(_) | Doing::Frozen(_)
        )
    }

    fn end_sleep(&mut self, ended: Ended) {
        self.correct(match self.doing() {
            Doing::Blocked(place, _) => Doing::Blocked(place, ended),
            Doing::Stopped(_) => Doing::Stopped(ended),
            Doing::Frozen(_) => Doing::Frozen(ended),
            other => other,
        });
    }

    /// It is woken; from now on it waits in the queue of the CPU that it was on last, unless it goes into another one.
    pub fn wake(&mut self, at_ns: u64, by: Waker) {
        self.end_sleep(Ended::By(by));
        self.early = None;
        self.begin(
            at_ns,
            Doing::Ready(Queue {
                cpu: self.cpu,
                was_preempted: false,
            }),
        );
    }

    /// It has a CPU now. Whoever slept was woken before that, if not as it went to sleep. False: that was not recorded, or it was taken
    /// for one that runs elsewhere, or that has ended.
    pub fn come(&mut self, at_ns: u64, cpu: Cpu) -> bool {
        self.see(Doing::Ready(Queue {
            cpu: Some(cpu),
            was_preempted: false,
        }));
        if self.sleeps()
            && let Some((_, by)) = self.early
        {
            self.wake(self.since_ns(), by);
        }
        let was_ready = matches!(self.doing(), Doing::Ready(_));
        if !was_ready {
            self.correct(Doing::Unknown);
        }
        self.early = None;
        self.cpu = Some(cpu);
        self.begin(at_ns, Doing::Running(None));
        was_ready
    }

    pub fn migrate(&mut self, at_ns: u64, to: Cpu) {
        self.cpu = Some(to);
        if let Doing::Ready(queue) = self.doing() {
            self.begin(
                at_ns,
                Doing::Ready(Queue {
                    cpu: Some(to),
                    ..queue
                }),
            );
        }
    }

    /// Forgets what had ended by this time; nobody knows of it any more.
    pub fn forget(&mut self, until_ns: u64) {
        let first = self
            .intervals
            .partition_point(|interval| interval.from_ns <= until_ns)
            .saturating_sub(1);
        // What remains of less than half is moved, so that each is moved once or twice in all.
        if first >= self.intervals.len() / 2 {
            self.intervals.drain(..first);
        }
    }
}
