//! What a session reads of one window.

use crate::calls::of_sample::Calls;
use crate::sample::{CriticalPath, Frame, Losses, OffCpu, Start, Stop, Target, Thread, Upcall};

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
    /// `None`: of no thread, or nothing of it was recorded.
    pub critical_path: Option<CriticalPath>,
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
