//! What one window saw: plain values. How each crosses to JavaScript follows from what it is:
//!
//! - a length of time, in ns, a count, a size, a pid or another small number is a number: `i64` or less, and below 2^53, which as
//!   ns are 104 days; only lengths that are asked for may be anything, and are bigints. Of these `leastNs`, from which on calls are
//!   recorded, is a number all the same: it comes from an option that is checked to be an integer below 2^53, and is the next
//!   one (`src/session/event-options.ts`), hence 2^53 at most, which a number still is exactly;
//! - a point in time, in ns of `CLOCK_MONOTONIC` or since the epoch, is a bigint: `u64`;
//! - 64 bits that are no quantity, such as an address, an argument or a result, are a string: hexadecimal with `0x`, but results
//!   as signed decimals;
//! - what is unknown, or is not there, is null: `Option`, with `use_nullable`; never 0, and never undefined.
//!
//! JSON has no bigints: there, and so in the report, points in time are strings (`docs/api.md`).

mod call;
mod path;
mod thread;
mod window;

pub use call::{CallWait, Frame, OffCpu, SyscallEvent};
pub use path::{CriticalPath, PathSegment, PathStep};
pub use thread::{
    Budget, Chain, Faults, HardIrq, Interval, LocalIrq, LongPoll, Queue, RanInstead, Ready, Run,
    SoftIrq, Stopped, SyscallStatistics, TaskInstead, Thread, Waker,
};
pub use window::{Start, Stop, StopReason, TriggeringThread};

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

impl Target {
    /// Of which only that is known.
    pub fn named(pid: u32, comm: &str) -> Self {
        Self {
            pid,
            comm: comm.to_owned(),
            exe: None,
            cmdline: None,
        }
    }
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
    /// Switches and wakeups that the flight recorder has overwritten before they were read: what they would have told is unattributed.
    pub recorder_overwritten: i64,
}
