//! What one window saw: plain values, in the shape of the JSON contract. Durations are ns that fit JavaScript's
//! numbers (2^53 ns are 104 days); absolute times are `u64`, which become bigints.

mod call;
mod thread;

pub use call::{CallWait, Frame, OffCpu, SyscallEvent};
pub use thread::{
    Budget, Faults, HardIrq, Interval, LongPoll, Queue, RanInstead, Ready, Run, SoftIrq, Stopped,
    SyscallStatistics, TaskInstead, Thread, Vector, Waker,
};

use crate::calls::of_sample::Calls;
use crate::session::window::{Start, Stop};

/// A monitored process. `exe` and `cmdline` are null when it ended before they could be read.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingTarget")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    pub pid: u32,
    pub comm: String,
    pub exe: Option<String>,
    pub cmdline: Option<Vec<String>>,
}

/// Packets that Open vSwitch's datapath handed over to user space: how often `ovs_dp_upcall` returned this, on this CPU.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingUpcall")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upcall {
    pub cpu: u32,
    pub result: i32,
    /// The error's name; null: none.
    pub errno: Option<String>,
    pub count: i64,
}

/// What could not be counted. Everything else was.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingLosses")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// Recorded calls for which the ring buffer had no room.
    pub events_dropped: i64,
    /// Recorded calls that were left out of the sample, because longer ones filled it.
    pub events_over_limit: i64,
    /// Events of threads for which there was no free record.
    pub threads_untracked: i64,
    /// System calls and interrupts for which there was no free row.
    pub syscalls_untracked: i64,
    /// Stacks for which there was no room, or which the kernel did not hand over.
    pub stacks_lost: i64,
    /// Stacks of recorded calls that do not reach the thread's first function.
    pub stacks_truncated: i64,
    /// Frames of the sample's different stacks that have no name.
    pub frames_unresolved: i64,
    pub triggers_missed: i64,
    /// Null: this kernel does not count them (before 5.12).
    pub recursion_misses: Option<i64>,
    pub negative_intervals: i64,
    /// Switches and wakeups that the kernel did not report, found because what came next contradicts them; the time
    /// around them is unknown.
    pub switches_missed: i64,
}

/// The thread in which a trigger fired: the one that was current, in whatever context the kernel was.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingTriggeringThread")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TriggeringThread {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
}

/// A finished window.
#[derive(Debug)]
pub struct Sample {
    pub start: Start,
    pub stop: Stop,
    /// Start triggers since the last sample that found a window open.
    pub starts_in_window: i64,
    /// The first targets, then the children that joined, as they were seen.
    pub targets: Vec<Target>,
    pub threads: Vec<Thread>,
    /// Time that the hypervisor took from this machine's CPUs during the window, in the kernel's clock ticks; null: unknown.
    pub steal_ns: Option<i64>,
    /// `None`: they were not counted.
    pub upcalls: Option<Vec<Upcall>>,
    pub calls: Calls,
    /// In no particular order.
    pub off_cpu: Vec<OffCpu>,
    /// Frames innermost first, of the stacks that events and times name by index.
    pub stacks: Vec<Vec<Frame>>,
    /// Why stacks and names are missing, a line each, each told with the first sample that it was met for.
    pub stack_problems: Vec<String>,
    pub losses: Losses,
}

/// Why a window was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    Time,
    Trigger,
    Interrupt,
    /// Every target has ended.
    Exit,
    /// A trigger did not fire in the time that it was given.
    Timeout,
}

impl StopReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Trigger => "trigger",
            Self::Interrupt => "interrupt",
            Self::Exit => "exit",
            Self::Timeout => "timeout",
        }
    }
}
