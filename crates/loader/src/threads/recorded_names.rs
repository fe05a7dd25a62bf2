//! What the machine's tasks and interrupts are called.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;

use abi::COMM_BYTES;
use recorder::event::{Irq, IrqKind, Pid, TaskName};
use recorder::task::Task;

use crate::names::interrupts::{SOFT_IRQ_NAMES, local_irq_name};
use crate::names::text::name_of;
use crate::targets::proc_stat::{Stat, stat};
use crate::threads::start_time::StartTime;

/// As a sample says it; pid and tid 0: it has none in this namespace, or none is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
}

/// As they were recorded last: each is so once in a session, unless it changes.
#[derive(Clone, Default)]
pub struct RecordedNames {
    pub tasks: HashMap<Pid, TaskName>,
    pub irqs: HashMap<Irq, [u8; COMM_BYTES]>,
}

pub struct Names {
    recorded: RecordedNames,
    /// The kernel's numbers are those of /proc.
    are_shown: bool,
    start_ns: u64,
    clock: StartTime,
    found: RefCell<HashMap<Pid, Option<Named>>>,
}

impl Names {
    /// In a window that began then.
    pub fn new(recorded: RecordedNames, are_shown: bool, start_ns: u64) -> Self {
        Self {
            recorded,
            are_shown,
            start_ns,
            clock: StartTime::now(),
            found: RefCell::default(),
        }
    }

    /// By what was recorded of itself, or of whoever had its number before the window; else by /proc, if it is there since before the
    /// window: such a one need not have come to a CPU in it.
    pub fn of(&self, task: &Task) -> Named {
        let recorded = task
            .name
            .as_ref()
            .or_else(|| self.recorded.tasks.get(&task.pid));
        if let Some(name) = recorded {
            return Named {
                pid: name.tgid,
                tid: name.tid,
                comm: name_of(&name.comm),
            };
        }
        let mut found = self.found.borrow_mut();
        let named = found.entry(task.pid).or_insert_with(|| self.find(task.pid));
        named.clone().unwrap_or_default()
    }

    /// What kind of interrupt it is, and its full name.
    pub fn irq(&self, irq: Irq) -> (&'static str, String) {
        irq_name(irq, self.recorded.irqs.get(&irq))
    }

    fn find(&self, pid: Pid) -> Option<Named> {
        if !self.are_shown {
            return None;
        }
        let (now, tgid) = living(pid)?;
        self.clock
            .began_before(&now, self.start_ns)
            .then_some(Named {
                pid: tgid,
                tid: pid,
                comm: now.comm,
            })
    }
}

/// What /proc says of whoever has this number now, and its process.
pub fn living(tid: Pid) -> Option<(Stat, u32)> {
    let folder = format!("/proc/{tid}");
    let now = stat(&folder).ok()??;
    let status = fs::read_to_string(folder + "/status").ok()?;
    let tgid = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    Some((now, tgid.trim().parse().ok()?))
}

/// What kind of interrupt it is, and its full name; `recorded`: by what its handler was registered.
pub fn irq_name(irq: Irq, recorded: Option<&[u8; COMM_BYTES]>) -> (&'static str, String) {
    let number = irq.number;
    let recorded = recorded.copied().unwrap_or_default();
    match irq.kind {
        IrqKind::Hard => {
            let name = name_of(&recorded);
            let line = format!("irq {number}");
            let full = if name.is_empty() {
                line
            } else {
                format!("{name} ({line})")
            };
            ("hard irq", full)
        }
        IrqKind::Soft => {
            let name = SOFT_IRQ_NAMES.get(number as usize);
            let name = name.map_or_else(|| format!("softirq_{number}"), |name| (*name).to_owned());
            ("soft irq", name)
        }
        IrqKind::Local => ("local irq", local_irq_name(number, &recorded)),
    }
}
