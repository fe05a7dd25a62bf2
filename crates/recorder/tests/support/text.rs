//! Streams of records as text, a record a line:
//!
//! ```text
//! 100 cpu0  a -> b              a is preempted, b comes
//! 110 cpu0  b (futex) -> idle   b is blocked, in a call of that name
//! 110 cpu0  b (stopped) -> a    also: frozen, dead; blocked outside of any call: none
//! 120 cpu1  c wakes b           c runs on that CPU
//! 120 cpu1  c exits, wakes b
//! 120 cpu1  c wakes b early     b is on a CPU still
//! 120 cpu1  c wakes b of cpu0   on which b was last, if no record has told that
//! 120 cpu1  hard 24 wakes b     also: soft, local
//! 130 cpu1  c was in read from 105 to 120
//! 130 cpu1  c (futex since 125) -> idle
//! 130 cpu1  c bears d
//! 140 cpu1  d moves to cpu0
//! ```
//!
//! Tasks whose names begin with a capital letter are monitored.

use std::collections::HashMap;

use abi::recorder::{
    Context, EXITING, Kind, NEXT_IS_TARGET, ON_CPU, PREV_IS_TARGET, Record, SINCE_UNKNOWN,
};
use abi::syscall::SyscallKey;
use recorder::event::{Cpu, Event, Why};
use recorder::machine::Machine;
use recorder::task::{How, Place, TaskId};
use recorder::walk::{Role, Step};

pub const CALLS: &[&str] = &["futex", "read", "nanosleep", "wait4", "write", "poll"];

#[derive(Default)]
pub struct Names {
    pids: HashMap<String, u32>,
}

impl Names {
    pub fn pid(&mut self, name: &str) -> u32 {
        if name == "idle" {
            return 0;
        }
        let next = self.pids.len() as u32 + 100;
        *self.pids.entry(name.to_owned()).or_insert(next)
    }

    /// Of one that was named before.
    pub fn known(&self, name: &str) -> u32 {
        self.pids[name]
    }

    fn of_pid(&self, pid: u32) -> String {
        let mut names = self.pids.iter().filter(|(_, it)| **it == pid);
        names
            .next()
            .map_or_else(|| pid.to_string(), |(name, _)| name.clone())
    }

    pub fn of(&self, machine: &Machine, id: TaskId) -> String {
        self.of_pid(machine.task(id).pid)
    }

    /// One line of records.
    pub fn record(&mut self, line: &str) -> (Cpu, Record) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at_ns = words[0].parse().unwrap();
        let cpu = cpu(words[1]);
        let record = match words[2..] {
            [task, "was", "in", call, "from", from, "to", to] => {
                let (from_ns, to_ns): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
                Record {
                    head: Record::head(Kind::Call, 0) | Record::call_word(key(call).bits()),
                    tasks: Record::pair(self.pid(task), to_ns - from_ns),
                    argument: to_ns.into(),
                    ..Record::default()
                }
            }
            [prev, call, "since", since, "->", next] => Record {
                argument: since.trim_end_matches(')').parse().unwrap(),
                ..self.switch(prev, Why::Blocked, Some(key(&call[1..])), next)
            },
            [prev, "->", next] => self.switch(prev, Why::Runnable, None, next),
            [prev, how, "->", next] => {
                let how = how.trim_matches(['(', ')']);
                let (why, call) = match how {
                    "stopped" => (Why::Stopped, None),
                    "frozen" => (Why::Frozen, None),
                    "dead" => (Why::Dead, None),
                    "none" => (Why::Blocked, None),
                    call => (Why::Blocked, Some(key(call))),
                };
                self.switch(prev, why, call, next)
            }
            [kind @ ("hard" | "soft" | "local"), number, "wakes", woken] => {
                let context = match kind {
                    "hard" => Context::HardIrq,
                    "soft" => Context::SoftIrq,
                    _ => Context::LocalIrq,
                };
                let word = context.word(number.parse().unwrap());
                Record {
                    head: Record::head(Kind::Waking, target(woken, PREV_IS_TARGET)) | word,
                    tasks: Record::pair(self.pid(woken), 0),
                    ..Record::default()
                }
            }
            [waker, "wakes", woken] => self.waking(waker, 0, woken),
            [waker, "wakes", woken, "of", cpu] => Record {
                argument: u64::from(self::cpu(cpu) + 1) << 32,
                ..self.waking(waker, 0, woken)
            },
            [waker, "wakes", woken, "early"] => self.waking(waker, ON_CPU, woken),
            [waker, "exits,", "wakes", woken] => self.waking(waker, EXITING, woken),
            [parent, "bears", child] => Record {
                head: Record::head(Kind::Born, 0) | Record::number_word(cpu),
                tasks: Record::pair(self.pid(child), self.pid(parent)),
                ..Record::default()
            },
            [task, "moves", "to", to] => Record {
                head: Record::head(Kind::Migrated, 0) | Record::number_word(cpu),
                tasks: Record::pair(self.pid(task), self::cpu(to)),
                ..Record::default()
            },
            _ => panic!("what is {line}?"),
        };
        (cpu, Record { at_ns, ..record })
    }

    fn switch(&mut self, prev: &str, why: Why, call: Option<SyscallKey>, next: &str) -> Record {
        let detail = target(prev, PREV_IS_TARGET) | target(next, NEXT_IS_TARGET);
        Record {
            head: Record::head(Kind::Switch, detail)
                | Record::number_word(state(why))
                | Record::call_word(call.map_or(0, SyscallKey::bits)),
            tasks: Record::pair(self.pid(prev), self.pid(next)),
            argument: SINCE_UNKNOWN,
            ..Record::default()
        }
    }

    fn waking(&mut self, waker: &str, detail: u8, woken: &str) -> Record {
        Record {
            head: Record::head(Kind::Waking, detail | target(woken, PREV_IS_TARGET)),
            tasks: Record::pair(self.pid(woken), self.pid(waker)),
            ..Record::default()
        }
    }

    pub fn events(&mut self, text: &str) -> Vec<Event> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let (cpu, record) = self.record(line);
                Event::of(&record, cpu).unwrap()
            })
            .collect()
    }

    /// A way, as `A futex < b nanosleep < local 236`.
    pub fn way(&self, machine: &Machine, way: &[Step]) -> String {
        let steps: Vec<String> = way.iter().map(|step| self.step(machine, step)).collect();
        steps.join(" < ")
    }

    fn step(&self, machine: &Machine, step: &Step) -> String {
        let of = |id: TaskId, role: Role, what: &str| {
            let role = match role {
                Role::Waker(How::Exit) => " exiting",
                Role::Parent => " parent",
                Role::Own | Role::Waker(How::Call(_)) => "",
            };
            format!("{}{role} {what}", self.of(machine, id))
        };
        match *step {
            Step::Running(id, None, role) => of(id, role, "runs"),
            Step::Running(id, Some(call), role) => of(id, role, &format!("runs in {}", name(call))),
            Step::Ready(id, role) => of(id, role, "ready"),
            Step::Blocked(id, place, role) => of(
                id,
                role,
                match place {
                    Place::Call(call) => name(call),
                    Place::Nowhere => "blocked",
                    Place::SinceBefore => "blocked before",
                },
            ),
            Step::Stopped(id, role) => of(id, role, "stopped"),
            Step::Frozen(id, role) => of(id, role, "frozen"),
            Step::Unknown(id, role) => of(id, role, "?"),
            Step::Turn(id) => format!("turn of {}", self.of(machine, id)),
            Step::Interrupt(irq) => format!("{:?} {}", irq.kind, irq.number).to_lowercase(),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

fn target(name: &str, bit: u8) -> u8 {
    if name.starts_with(char::is_uppercase) {
        bit
    } else {
        0
    }
}

/// As the kernel has it: `TASK_INTERRUPTIBLE`, `__TASK_STOPPED`, `TASK_FROZEN`, `TASK_DEAD`.
pub fn state(why: Why) -> u32 {
    match why {
        Why::Runnable => 0,
        Why::Blocked => 0x1,
        Why::Stopped => 0x4,
        Why::Frozen => 0x8000,
        Why::Dead => 0x80,
    }
}

fn cpu(name: &str) -> Cpu {
    name.strip_prefix("cpu").unwrap().parse().unwrap()
}

pub fn key(name: &str) -> SyscallKey {
    let number = CALLS.iter().position(|it| *it == name);
    SyscallKey::new(
        number.unwrap_or_else(|| panic!("what is {name}?")) as u64,
        false,
    )
}

fn name(key: SyscallKey) -> &'static str {
    CALLS[key.number() as usize]
}
