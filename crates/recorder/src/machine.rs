//! The machine's tasks and CPUs: what each of them was doing, made out of the events, one after the other.

use abi::syscall::SyscallKey;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::cpu::{Turn, Turns};
use crate::event::{self, Cpu, Event, Leaving, Pid, TaskName, What, Why};
use crate::task::{Birth, Doing, Ended, How, Place, Queue, Task, TaskId, Waker};

/// What is known of the machine since some time.
pub struct Machine {
    begin_ns: u64,
    /// When the window begins: then, or later.
    window_ns: u64,
    tasks: Vec<Task>,
    by_pid: FxHashMap<Pid, TaskId>,
    cpus: Vec<Turns>,
    known_from_ns: u64,
    /// Before that, what other CPUs have recorded does not say what a task does that is on none of them.
    lost_until_ns: u64,
    contradictions: u64,
}

/// A sleep or a wait for a CPU of a target that has just ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub task: TaskId,
    pub from_ns: u64,
    pub to_ns: u64,
    pub kind: WaitKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    Blocked(Waker),
    /// In whosever queues.
    Ready,
}

impl Machine {
    /// Of which nothing is known before this time.
    pub fn new(begin_ns: u64) -> Self {
        Self {
            begin_ns,
            window_ns: begin_ns,
            tasks: Vec::new(),
            by_pid: FxHashMap::default(),
            cpus: Vec::new(),
            known_from_ns: begin_ns,
            lost_until_ns: 0,
            contradictions: 0,
        }
    }

    /// Of a window that begins later than what is known.
    pub fn of_window(self, window_ns: u64) -> Self {
        Self { window_ns, ..self }
    }

    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.0 as usize]
    }

    fn task_mut(&mut self, id: TaskId) -> &mut Task {
        &mut self.tasks[id.0 as usize]
    }

    /// What the thread was blocked in as the window began.
    pub fn began_in(&mut self, id: TaskId, call: Option<SyscallKey>) {
        self.task_mut(id).first_call = call;
    }

    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        let number = |(index, task)| (TaskId(index as u32), task);
        self.tasks.iter().enumerate().map(number)
    }

    /// Who has it now.
    pub fn by_pid(&self, pid: Pid) -> Option<TaskId> {
        self.by_pid.get(&pid).copied()
    }

    /// From when on it is known what tasks and CPUs did.
    pub fn known_from_ns(&self) -> u64 {
        self.known_from_ns
    }

    /// Events that do not go together with those before them: something was not recorded.
    pub fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// How much is remembered, in things of some 32 bytes.
    pub fn remembered(&self) -> usize {
        let of_tasks: usize = self.tasks.iter().map(|task| task.intervals().len()).sum();
        let of_cpus: usize = self.cpus.iter().map(Turns::count).sum();
        of_tasks + of_cpus
    }

    /// `None`: no event was on it.
    pub fn turns(&self, cpu: Cpu) -> Option<&Turns> {
        self.cpus.get(cpu as usize)
    }

    fn turns_mut(&mut self, cpu: Cpu) -> &mut Turns {
        let (index, begin_ns) = (cpu as usize, self.begin_ns);
        if index >= self.cpus.len() {
            self.cpus.resize_with(index + 1, || Turns::since(begin_ns));
        }
        &mut self.cpus[index]
    }

    /// The task that has this pid; the next event of a new one tells what it has been doing.
    fn task_of(&mut self, pid: Pid) -> TaskId {
        if let Some(&id) = self.by_pid.get(&pid) {
            return id;
        }
        let since_ns = self.begin_ns.max(self.lost_until_ns);
        self.insert(Task::new(pid, since_ns, Doing::Unseen))
    }

    /// Whoever had its pid has ended.
    fn insert(&mut self, task: Task) -> TaskId {
        let id = TaskId(self.tasks.len() as u32);
        self.by_pid.insert(task.pid, id);
        self.tasks.push(task);
        id
    }

    /// As user space knows where no switch says it: so far the CPU has had one turn all along.
    pub fn ran_all_along(&mut self, cpu: Cpu, pid: Pid) {
        if self.is_unseen(cpu) {
            self.running(cpu, pid);
        }
    }

    /// Whether it waits for an event to tell whose turn it is on the CPU.
    pub fn is_unseen(&self, cpu: Cpu) -> bool {
        self.turns(cpu)
            .is_none_or(|turns| turns.latest() == Turn::Unseen)
    }

    /// The next event. Returns the target's wait that it has ended, if it has.
    pub fn apply(&mut self, event: &Event) -> Option<Wait> {
        let at_ns = event.at_ns.max(self.begin_ns);
        match event.what {
            What::Switch {
                prev,
                next,
                next_is_target,
            } => {
                self.leave(event.cpu, at_ns, prev);
                self.come(event.cpu, at_ns, next, next_is_target)
            }
            What::Waking {
                woken,
                woken_is_target,
                is_on_cpu,
                was_stopped,
                woken_cpu,
                by,
            } => {
                let by = self.waker(by);
                let id = self.task_of(woken);
                let is_lost = self.is_lost(at_ns);
                let begin_ns = self.begin_ns;
                let goes_on_in_window = at_ns >= self.window_ns;
                let task = self.task_mut(id);
                task.is_target |= woken_is_target;
                if is_on_cpu {
                    task.see(Doing::Running(None));
                }
                if is_lost {
                    return None;
                }
                task.see(if was_stopped {
                    Doing::Stopped(Ended::NotYet)
                } else {
                    let place = if goes_on_in_window && task.since_ns() == begin_ns {
                        Place::SinceBefore
                    } else {
                        Place::Nowhere
                    };
                    Doing::Blocked(place, Ended::NotYet)
                });
                task.cpu = woken_cpu.or(task.cpu);
                self.wake(at_ns, id, by)
            }
            What::InCall {
                task,
                call,
                from_ns,
                to_ns,
            } => {
                if let Some(id) = self.running_plainly(event.cpu, task) {
                    self.task_mut(id).was_in_call(call, from_ns, to_ns);
                }
                None
            }
            What::Born { child, parent, cpu } => {
                self.bear(at_ns, child, parent, cpu);
                None
            }
            What::Migrated { task, from, to } => {
                if !self.is_lost(at_ns) {
                    self.migrate(at_ns, task, from, to);
                }
                None
            }
            What::Lost { until_ns } => {
                self.lose(event.cpu, at_ns, until_ns);
                None
            }
            What::TaskName { pid, name } => {
                self.name(pid, name);
                None
            }
            // Of no task; and it is named once only, in whatever window.
            What::IrqName { .. } => None,
        }
    }

    fn name(&mut self, pid: Pid, name: TaskName) {
        let id = self.task_of(pid);
        self.task_mut(id).name = Some(name);
    }

    fn leave(&mut self, cpu: Cpu, at_ns: u64, prev: Leaving) {
        let Some(id) = self.running(cpu, prev.pid) else {
            return;
        };
        let task = self.task_mut(id);
        task.is_target |= prev.is_target;
        task.leave(at_ns, prev, cpu);
        if prev.why == Why::Dead {
            self.by_pid.remove(&prev.pid);
        } else if self.is_lost(at_ns) {
            let until_ns = self.lost_until_ns;
            self.task_mut(id).lose(at_ns, until_ns);
        }
    }

    /// The task that the CPU's next switch says was running there; `None`: it was idle.
    fn running(&mut self, cpu: Cpu, pid: Pid) -> Option<TaskId> {
        let latest = self.turns_mut(cpu).latest();
        if let Turn::Task(id) = latest {
            if self.task(id).pid == pid {
                return Some(id);
            }
            if pid != 0 && !self.by_pid.contains_key(&pid) {
                // It has taken its leader's pid, as a thread that executes another program does.
                let old_pid = std::mem::replace(&mut self.task_mut(id).pid, pid);
                self.by_pid.remove(&old_pid);
                self.by_pid.insert(pid, id);
                return Some(id);
            }
        }
        let id = (pid != 0).then(|| self.task_of(pid));
        let turn = id.map_or(Turn::Idle, Turn::Task);
        if latest == Turn::Unseen {
            self.turns_mut(cpu).correct(turn);
        } else if latest != turn {
            self.contradictions += 1;
            self.turns_mut(cpu).correct(Turn::Unknown);
        }
        let task = self.task_mut(id?);
        if latest == Turn::Unseen {
            task.see(Doing::Running(None));
        }
        if !task.runs() {
            task.correct(Doing::Unknown);
        }
        id
    }

    /// The same of what comes before that switch, which will tell of a contradiction.
    fn running_plainly(&mut self, cpu: Cpu, pid: Pid) -> Option<TaskId> {
        match self.turns_mut(cpu).latest() {
            Turn::Task(id) if self.task(id).pid == pid => Some(id),
            Turn::Unseen => self.running(cpu, pid),
            _ => None,
        }
    }

    fn come(&mut self, cpu: Cpu, at_ns: u64, next: Pid, is_target: bool) -> Option<Wait> {
        if next == 0 {
            self.turns_mut(cpu).begin(at_ns, Turn::Idle);
            return None;
        }
        let id = self.task_of(next);
        self.turns_mut(cpu).begin(at_ns, Turn::Task(id));
        let task = self.task_mut(id);
        task.is_target |= is_target;
        if !task.come(at_ns, cpu) {
            self.contradictions += 1;
        }
        self.ended_wait(id)
    }

    fn waker(&mut self, by: event::Waker) -> Waker {
        match by {
            event::Waker::Irq(irq) => Waker::Irq(irq),
            event::Waker::Task { pid: 0, .. } => Waker::IdleCpu,
            event::Waker::Task {
                pid,
                call,
                is_exiting,
            } => {
                let id = self.task_of(pid);
                self.task_mut(id).see(Doing::Running(None));
                let how = if is_exiting {
                    How::Exit
                } else {
                    How::Call(call)
                };
                Waker::Task(id, how)
            }
        }
    }

    fn wake(&mut self, at_ns: u64, id: TaskId, by: Waker) -> Option<Wait> {
        let task = self.task_mut(id);
        if !task.sleeps() {
            if task.runs() {
                task.woken_early(at_ns, by);
            }
            return None;
        }
        task.wake(at_ns, by);
        self.ended_wait(id)
    }

    fn bear(&mut self, at_ns: u64, child: Pid, parent: Pid, cpu: Cpu) {
        let parent = (parent != 0).then(|| self.task_of(parent));
        if let Some(parent) = parent {
            self.task_mut(parent).see(Doing::Running(None));
        }
        let queue = Queue {
            cpu: Some(cpu),
            was_preempted: false,
        };
        let mut task = Task::new(child, at_ns, Doing::Ready(queue));
        task.parent = parent.map(|parent| Birth { parent, at_ns });
        task.cpu = Some(cpu);
        if self.is_lost(at_ns) {
            task.lose(at_ns, self.lost_until_ns);
        }
        self.insert(task);
    }

    fn migrate(&mut self, at_ns: u64, pid: Pid, from: Cpu, to: Cpu) {
        let id = self.task_of(pid);
        let task = self.task_mut(id);
        task.see(Doing::Ready(Queue {
            cpu: Some(from),
            was_preempted: false,
        }));
        task.migrate(at_ns, to);
    }

    /// What a target did before that which it has just begun, if that was to wait.
    fn ended_wait(&self, id: TaskId) -> Option<Wait> {
        let task = self.task(id);
        if !task.is_target {
            return None;
        }
        let (latest, before) = task.intervals().split_last()?;
        let last = before.last()?;
        let (from_ns, kind) = match last.doing {
            Doing::Blocked(_, Ended::By(by)) => (last.from_ns, WaitKind::Blocked(by)),
            Doing::Ready(_) => (task.ready_since_ns(before.len())?, WaitKind::Ready),
            _ => return None,
        };
        Some(Wait {
            task: id,
            from_ns,
            to_ns: latest.from_ns,
            kind,
        })
    }

    fn is_lost(&self, at_ns: u64) -> bool {
        at_ns < self.lost_until_ns
    }

    /// Something of this time was not recorded on this CPU: what any task did in it is not known, but for those that other CPUs know to
    /// have been running; and afterwards each one's next event tells what it has been doing since.
    fn lose(&mut self, cpu: Cpu, from_ns: u64, to_ns: u64) {
        self.lost_until_ns = self.lost_until_ns.max(to_ns);
        let turns = self.turns_mut(cpu);
        turns.begin(from_ns, Turn::Unknown);
        turns.begin(to_ns, Turn::Unseen);
        let running: FxHashSet<TaskId> = self
            .cpus
            .iter()
            .filter_map(|turns| match turns.latest() {
                Turn::Task(id) => Some(id),
                _ => None,
            })
            .collect();
        for (index, task) in self.tasks.iter_mut().enumerate() {
            let is_known = running.contains(&TaskId(index as u32));
            if !is_known && task.doing() != Doing::Ended {
                task.lose(from_ns, to_ns);
            }
        }
    }

    /// Of what had ended by then nothing is known any more.
    pub fn forget(&mut self, until_ns: u64) {
        for task in &mut self.tasks {
            task.forget(until_ns);
        }
        for turns in &mut self.cpus {
            turns.forget(until_ns);
        }
        self.known_from_ns = self.known_from_ns.max(until_ns);
    }
}
