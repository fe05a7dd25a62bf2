//! What CPUs and tasks do in one window, as switches and wakings: those that were recorded, and at the window's edges such as say what a task
//! was doing then, of which only later events tell.
//!
//! A reader knows no other way to be told that a task waits or sleeps than that it leaves a CPU. So where that is to be said at an edge,
//! it has a turn there that takes no time. And at a window's end everybody leaves, in a state that there is not: until the next window
//! nobody knows what they do.

use std::io::Write;

use abi::thread::state::MOST_EARLY_NS;
use recorder::event::{Cpu, IrqKind, Leaving, Pid, Waker, Why};
use rustc_hash::FxHashMap;

use crate::marks::Waking;
use crate::names::Names;
use crate::output::Output;
use crate::prev_state::{self, of_leaving};
use crate::proto::{IN_HARD_IRQ, IN_SOFT_IRQ};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// What its next switch tells.
    Unseen,
    Idle,
    Task(Pid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Woken then, though it had not left its CPU yet.
    Running(Option<u64>),
    /// What made it so is still to be written: nobody knows yet what it is called.
    Ready(Option<Unwritten>),
    Asleep(Asleep),
}

/// A task is named as it comes to a CPU, and not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unwritten {
    cpu: Cpu,
    at_ns: u64,
    waking: Waking,
    /// In which it was before that, if no event has told.
    before: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asleep {
    cpu: Cpu,
    since_ns: u64,
    /// It was woken as it went to sleep.
    was_woken: bool,
}

struct CpuState {
    on: On,
    /// Since when that holds of one that is unseen.
    since_ns: u64,
}

pub struct Schedule {
    start_ns: u64,
    /// Before that, and where something was lost, nobody knows what a task did until its next event.
    known_since_ns: u64,
    /// On which such a time ended last: it had no turn of anybody's just before.
    idle_before: Cpu,
    cpus: Vec<CpuState>,
    tasks: FxHashMap<Pid, Doing>,
}

impl Schedule {
    pub fn new(start_ns: u64) -> Self {
        Self {
            start_ns,
            known_since_ns: start_ns,
            idle_before: 0,
            cpus: Vec::new(),
            tasks: FxHashMap::default(),
        }
    }

    fn cpu(&mut self, cpu: Cpu) -> &mut CpuState {
        let (index, since_ns) = (cpu as usize, self.start_ns);
        if index >= self.cpus.len() {
            self.cpus.resize_with(index + 1, || CpuState {
                on: On::Unseen,
                since_ns,
            });
        }
        &mut self.cpus[index]
    }

    /// Who runs there, as far as is known.
    pub fn running(&mut self, cpu: Cpu) -> Option<Pid> {
        match self.cpu(cpu).on {
            On::Task(pid) => Some(pid),
            On::Idle | On::Unseen => None,
        }
    }

    /// So far the CPU has had one turn all along.
    pub fn ran_all_along<W: Write, N: Names>(
        &mut self,
        cpu: Cpu,
        pid: Pid,
        out: &mut Output<W, N>,
    ) {
        if self.cpu(cpu).on == On::Unseen {
            self.see_on(cpu, pid, out);
        }
    }

    /// Whoever has had the CPU since it was not known.
    fn see_on<W: Write, N: Names>(&mut self, cpu: Cpu, pid: Pid, out: &mut Output<W, N>) {
        let since_ns = self.cpu(cpu).since_ns;
        self.cpu(cpu).on = if pid == 0 { On::Idle } else { On::Task(pid) };
        if pid != 0 {
            out.switch(cpu, since_ns, 0, prev_state::RUNNABLE, pid);
            self.tasks.entry(pid).or_insert(Doing::Running(None));
        }
    }

    /// A task's first event tells what it has been doing.
    fn see<W: Write, N: Names>(&self, pid: Pid, state: i64, out: &mut Output<W, N>) {
        // Just before whoever has that CPU's first turn.
        let at_ns = self.known_since_ns.saturating_sub(1);
        turn(self.idle_before, at_ns, pid, state, out);
    }

    fn is_lost(&self, at_ns: u64) -> bool {
        at_ns < self.known_since_ns
    }

    fn write<W: Write, N: Names>(&self, unwritten: &Unwritten, out: &mut Output<W, N>) {
        let Unwritten {
            cpu,
            at_ns,
            waking,
            before,
        } = unwritten;
        if let Some(state) = *before {
            self.see(waking.woken, state, out);
        }
        out.waking(*cpu, *at_ns, waking);
    }

    pub fn switch<W: Write, N: Names>(
        &mut self,
        cpu: Cpu,
        at_ns: u64,
        prev: &Leaving,
        next: Pid,
        out: &mut Output<W, N>,
    ) {
        let was_on = match self.cpu(cpu).on {
            On::Unseen => {
                self.see_on(cpu, prev.pid, out);
                prev.pid
            }
            On::Idle => 0,
            On::Task(pid) => pid,
        };
        if was_on != prev.pid {
            // A switch is missing, or a thread that executes another program has taken its leader's number.
            out.switch(cpu, at_ns, was_on, prev_state::UNKNOWN, prev.pid);
            self.tasks.remove(&was_on);
        }
        if next != 0 {
            self.come(next, at_ns, out);
        }
        let is_lost = self.is_lost(at_ns) && prev.why != Why::Dead;
        let state = if is_lost {
            prev_state::UNKNOWN
        } else {
            of_leaving(prev)
        };
        out.switch(cpu, at_ns, prev.pid, state, next);
        if is_lost {
            self.tasks.remove(&prev.pid);
        } else if prev.pid != 0 {
            self.leave(cpu, at_ns, prev, out);
        }
        self.cpu(cpu).on = if next == 0 { On::Idle } else { On::Task(next) };
    }

    fn come<W: Write, N: Names>(&mut self, pid: Pid, at_ns: u64, out: &mut Output<W, N>) {
        match self.tasks.insert(pid, Doing::Running(None)) {
            None if self.is_lost(at_ns) => {}
            None => self.see(pid, prev_state::RUNNABLE, out),
            Some(Doing::Ready(Some(unwritten))) => self.write(&unwritten, out),
            Some(Doing::Asleep(asleep)) if asleep.was_woken => {
                // Nothing else ended its sleep: it has been ready since it left.
                let waking = Waking::by_nobody(pid);
                out.waking(asleep.cpu, asleep.since_ns, &waking);
            }
            Some(_) => {}
        }
    }

    fn leave<W: Write, N: Names>(
        &mut self,
        cpu: Cpu,
        at_ns: u64,
        prev: &Leaving,
        out: &mut Output<W, N>,
    ) {
        let early_ns = match self.tasks.get(&prev.pid) {
            Some(Doing::Running(early_ns)) => *early_ns,
            _ => None,
        };
        let is_early = |woken_ns: u64| woken_ns.saturating_add(MOST_EARLY_NS) >= at_ns;
        let doing = match of_leaving(prev) {
            prev_state::RUNNABLE | prev_state::PREEMPTED => Doing::Ready(None),
            prev_state::DEAD => {
                self.tasks.remove(&prev.pid);
                out.tasks.end(prev.pid);
                return;
            }
            _ => Doing::Asleep(Asleep {
                cpu,
                since_ns: at_ns,
                was_woken: early_ns.is_some_and(is_early),
            }),
        };
        self.tasks.insert(prev.pid, doing);
    }

    pub fn waking<W: Write, N: Names>(
        &mut self,
        cpu: Cpu,
        at_ns: u64,
        woken: &Woken,
        by: &Waker,
        out: &mut Output<W, N>,
    ) {
        if self.is_lost(at_ns) {
            return;
        }
        let (current, flags) = match *by {
            Waker::Task { pid, .. } => (pid, 0),
            Waker::Irq(irq) => (self.running(cpu).unwrap_or(0), in_irq(irq.kind)),
        };
        let waking = Waking {
            woken: woken.pid,
            current,
            flags,
            target_cpu: woken.cpu,
        };
        let doing = match self.tasks.get(&woken.pid) {
            None if woken.is_on_cpu => Doing::Running(Some(at_ns)),
            None => {
                let state = if woken.was_stopped {
                    prev_state::STOPPED
                } else {
                    prev_state::SLEEPING
                };
                self.ready((cpu, at_ns), waking, Some(state), out)
            }
            Some(Doing::Running(_)) => Doing::Running(Some(at_ns)),
            // It ends nothing.
            Some(ready @ Doing::Ready(_)) => *ready,
            Some(Doing::Asleep(_)) => self.ready((cpu, at_ns), waking, None, out),
        };
        self.tasks.insert(woken.pid, doing);
    }

    pub fn born<W: Write, N: Names>(
        &mut self,
        (cpu, at_ns): (Cpu, u64),
        (child, parent): (Pid, Pid),
        queue: Cpu,
        out: &mut Output<W, N>,
    ) {
        if self.is_lost(at_ns) {
            self.tasks.remove(&child);
            return;
        }
        let waking = Waking {
            woken: child,
            current: parent,
            flags: 0,
            target_cpu: Some(queue),
        };
        let doing = self.ready((cpu, at_ns), waking, None, out);
        self.tasks.insert(child, doing);
    }

    fn ready<W: Write, N: Names>(
        &self,
        (cpu, at_ns): (Cpu, u64),
        waking: Waking,
        before: Option<i64>,
        out: &mut Output<W, N>,
    ) -> Doing {
        let unwritten = Unwritten {
            cpu,
            at_ns,
            waking,
            before,
        };
        if out.tasks.is_known(waking.woken) {
            self.write(&unwritten, out);
            Doing::Ready(None)
        } else {
            Doing::Ready(Some(unwritten))
        }
    }

    /// Nothing is known of what the CPU recorded from then to then, nor so of what those did who ran on none.
    pub fn lose<W: Write, N: Names>(
        &mut self,
        cpu: Cpu,
        from_ns: u64,
        until_ns: u64,
        out: &mut Output<W, N>,
    ) {
        self.leave_cpu(cpu, from_ns, out);
        out.lose(cpu);
        self.forget_waiting(cpu, from_ns, out);
        self.known_since_ns = self.known_since_ns.max(until_ns);
        self.idle_before = cpu;
        *self.cpu(cpu) = CpuState {
            on: On::Unseen,
            since_ns: until_ns,
        };
    }

    fn leave_cpu<W: Write, N: Names>(&mut self, cpu: Cpu, at_ns: u64, out: &mut Output<W, N>) {
        if let On::Task(pid) = self.cpu(cpu).on {
            out.switch(cpu, at_ns, pid, prev_state::UNKNOWN, 0);
            self.tasks.remove(&pid);
        }
        self.cpu(cpu).on = On::Idle;
    }

    /// On a CPU that nobody has.
    fn forget_waiting<W: Write, N: Names>(&mut self, cpu: Cpu, at_ns: u64, out: &mut Output<W, N>) {
        let is_waiting = |doing: &Doing| !matches!(doing, Doing::Running(_));
        let waiting = self.tasks.iter().filter(|(_, doing)| is_waiting(doing));
        let mut waiting: Vec<(Pid, Doing)> = waiting.map(|(&pid, &doing)| (pid, doing)).collect();
        waiting.sort_unstable_by_key(|&(pid, _)| pid);
        for (pid, doing) in waiting {
            self.tasks.remove(&pid);
            if let Doing::Ready(Some(unwritten)) = doing {
                self.write(&unwritten, out);
            }
            turn(cpu, at_ns, pid, prev_state::UNKNOWN, out);
        }
    }

    /// The window ends. From then on nothing is known of anybody.
    pub fn end<W: Write, N: Names>(mut self, at_ns: u64, out: &mut Output<W, N>) {
        for cpu in 0..self.cpus.len() {
            self.leave_cpu(cpu as Cpu, at_ns, out);
        }
        self.forget_waiting(0, at_ns, out);
    }
}

/// Who is woken.
pub struct Woken {
    pub pid: Pid,
    pub is_on_cpu: bool,
    pub was_stopped: bool,
    pub cpu: Option<Cpu>,
}

/// One that takes no time.
fn turn<W: Write, N: Names>(cpu: Cpu, at_ns: u64, pid: Pid, state: i64, out: &mut Output<W, N>) {
    out.switch(cpu, at_ns, 0, prev_state::RUNNABLE, pid);
    out.switch(cpu, at_ns, pid, state, 0);
}

fn in_irq(kind: IrqKind) -> u32 {
    match kind {
        IrqKind::Soft => IN_SOFT_IRQ,
        IrqKind::Hard | IrqKind::Local => IN_HARD_IRQ,
    }
}
