//! What a record says.

use abi::COMM_BYTES;
use abi::recorder::{
    Context, EXITING, FROZEN, Kind, NEXT_IS_TARGET, ON_CPU, PREEMPTED, PREV_IS_TARGET, Record,
    WAS_STOPPED,
};
use abi::syscall::SyscallKey;
use abi::thread::state::SwitchOut;

/// The kernel's number of a task; 0 is each CPU's own, which runs where nobody else does.
pub type Pid = u32;
pub type Cpu = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub at_ns: u64,
    pub cpu: Cpu,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Switch {
        prev: Leaving,
        next: Pid,
        next_is_target: bool,
    },
    Waking {
        woken: Pid,
        woken_is_target: bool,
        /// On its way to sleep, or awake.
        is_on_cpu: bool,
        was_stopped: bool,
        /// On which it was last.
        woken_cpu: Option<Cpu>,
        by: Waker,
    },
    /// Of a target that is about to leave the CPU: from then to then it was there in this call.
    InCall {
        task: Pid,
        call: SyscallKey,
        from_ns: u64,
        to_ns: u64,
    },
    Born {
        child: Pid,
        parent: Pid,
        /// In whose queue it begins.
        cpu: Cpu,
    },
    Migrated {
        task: Pid,
        from: Cpu,
        to: Cpu,
    },
    /// Nothing is known of what the CPU recorded from now until then.
    Lost {
        until_ns: u64,
    },
    TaskName {
        pid: Pid,
        name: TaskName,
    },
    IrqName {
        irq: Irq,
        name: [u8; COMM_BYTES],
    },
}

/// Who leaves a CPU, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    pub pid: Pid,
    pub why: Why,
    /// The kernel's state of it (`TASK_…`), of which a reason follows unless it was preempted.
    pub state: u32,
    pub was_preempted: bool,
    pub is_target: bool,
    pub call: Option<SyscallKey>,
    /// Since when; 0: since before the window, [`SINCE_UNKNOWN`](abi::recorder::SINCE_UNKNOWN): nobody knows.
    pub call_since_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    Runnable,
    Blocked,
    Stopped,
    Frozen,
    Dead,
}

/// As it is reported; tid and tgid 0: it has none there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskName {
    pub tid: u32,
    pub tgid: u32,
    pub comm: [u8; COMM_BYTES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Irq {
    pub kind: IrqKind,
    pub number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IrqKind {
    Hard,
    Soft,
    /// A local timer's or another processor's.
    Local,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waker {
    Task {
        pid: Pid,
        call: Option<SyscallKey>,
        is_exiting: bool,
    },
    Irq(Irq),
}

impl Event {
    /// `None`: no program writes that.
    pub fn of(record: &Record, cpu: Cpu) -> Option<Self> {
        Some(Self {
            at_ns: record.at_ns,
            cpu,
            what: What::of(record)?,
        })
    }
}

impl What {
    fn of(record: &Record) -> Option<Self> {
        let detail = record.detail();
        Some(match record.kind()? {
            Kind::Switch => Self::Switch {
                prev: Leaving {
                    pid: record.first(),
                    why: Why::of(record),
                    state: record.number(),
                    was_preempted: detail & PREEMPTED != 0,
                    is_target: detail & PREV_IS_TARGET != 0,
                    call: record.call(),
                    call_since_ns: record.argument,
                },
                next: record.second(),
                next_is_target: detail & NEXT_IS_TARGET != 0,
            },
            Kind::Waking => Self::Waking {
                woken: record.first(),
                woken_is_target: detail & PREV_IS_TARGET != 0,
                is_on_cpu: detail & ON_CPU != 0,
                was_stopped: detail & WAS_STOPPED != 0,
                woken_cpu: ((record.argument >> 32) as Cpu).checked_sub(1),
                by: Waker::of(record),
            },
            Kind::Call => Self::InCall {
                call: record.call()?,
                task: record.first(),
                from_ns: record.argument.saturating_sub(record.second().into()),
                to_ns: record.argument,
            },
            Kind::Born => Self::Born {
                child: record.first(),
                parent: record.second(),
                cpu: record.number(),
            },
            Kind::Migrated => Self::Migrated {
                task: record.first(),
                from: record.number(),
                to: record.second(),
            },
            Kind::TaskName => Self::TaskName {
                pid: record.upper(),
                name: TaskName {
                    tid: record.at_ns as u32,
                    tgid: (record.at_ns >> 32) as u32,
                    comm: record.name(),
                },
            },
            Kind::IrqName => Self::IrqName {
                irq: Irq::of(detail, record.number())?,
                name: record.name(),
            },
        })
    }

    /// Of its CPU up to then: or that nobody knows.
    pub fn tells_who_ran(&self) -> bool {
        matches!(self, Self::Switch { .. } | Self::Lost { .. })
    }

    /// Names have no time of their own.
    pub fn is_name(&self) -> bool {
        matches!(self, Self::TaskName { .. } | Self::IrqName { .. })
    }
}

impl Why {
    fn of(record: &Record) -> Self {
        let is_preempted = record.detail() & PREEMPTED != 0;
        let state = u64::from(record.number());
        match SwitchOut::new(is_preempted, state) {
            SwitchOut::Runnable => Self::Runnable,
            SwitchOut::Dead => Self::Dead,
            SwitchOut::Stopped => Self::Stopped,
            SwitchOut::Blocked
                if state & SwitchOut::TASK_FROZEN != 0 || record.detail() & FROZEN != 0 =>
            {
                Self::Frozen
            }
            SwitchOut::Blocked => Self::Blocked,
        }
    }
}

impl Irq {
    fn of(detail: u8, number: u32) -> Option<Self> {
        let kind = match Context::of(detail) {
            Context::Task => return None,
            Context::HardIrq => IrqKind::Hard,
            Context::SoftIrq => IrqKind::Soft,
            Context::LocalIrq => IrqKind::Local,
        };
        Some(Self { kind, number })
    }
}

impl Waker {
    fn of(record: &Record) -> Self {
        match Irq::of(record.detail(), record.number()) {
            Some(irq) => Self::Irq(irq),
            None => Self::Task {
                pid: record.second(),
                call: SyscallKey::from_bits(record.argument as u32),
                is_exiting: record.detail() & EXITING != 0,
            },
        }
    }
}
