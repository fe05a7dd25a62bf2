//! Windows and their samples, as Node.js sees them.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use super::threads::BindingThreads;
use crate::calls::of_sample::Calls;
// By the names that they have in JavaScript: napi takes what a field's type is called here for what it is called there, unless
// it happens to have met the type before.
use crate::sample::{
    CriticalPath as BindingCriticalPath, Frame as BindingFrame, Losses as BindingLosses,
    OffCpu as BindingOffCpu, Start, Stop, SyscallEvent as BindingSyscallEvent,
    Target as BindingTarget, TriggeringThread as BindingTriggeringThread, Upcall as BindingUpcall,
};
use crate::session::sample::Sample;

#[napi(object, use_nullable = true)]
pub struct BindingWindowStart {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: BigInt,
    /// Since the epoch.
    pub wall_ns: BigInt,
    /// The thread in which the start trigger fired; null: no trigger opened the window.
    pub trigger: Option<BindingTriggeringThread>,
}

impl From<Start> for BindingWindowStart {
    fn from(start: Start) -> Self {
        Self {
            monotonic_ns: start.at_ns.into(),
            wall_ns: start.wall_ns.into(),
            trigger: start.by,
        }
    }
}

#[napi(object, use_nullable = true)]
pub struct BindingWindowStop {
    pub monotonic_ns: BigInt,
    pub wall_ns: BigInt,
    #[napi(ts_type = "'time' | 'trigger' | 'interrupt' | 'exit' | 'timeout' | 'left'")]
    pub by: String,
    /// The thread in which the stop trigger fired; null: no trigger closed the window.
    pub trigger: Option<BindingTriggeringThread>,
}

#[napi(object, use_nullable = true)]
pub struct BindingWindow {
    pub start: BindingWindowStart,
    pub stop: BindingWindowStop,
}

impl From<(Start, Stop)> for BindingWindow {
    fn from((start, stop): (Start, Stop)) -> Self {
        let length_ns = stop.at_ns.saturating_sub(start.at_ns);
        Self {
            stop: BindingWindowStop {
                monotonic_ns: stop.at_ns.into(),
                wall_ns: start.wall_ns.saturating_add(length_ns).into(),
                by: stop.reason.name().to_owned(),
                trigger: stop.by,
            },
            start: start.into(),
        }
    }
}

/// The recorded calls of a sample, in the order of their beginnings. They are described as they are asked for.
#[napi]
pub struct BindingCalls(Calls);

#[napi]
impl BindingCalls {
    #[napi(getter)]
    pub fn length(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Those of these indices that there are.
    #[napi]
    pub fn slice(&self, from: u32, to: u32) -> Vec<BindingSyscallEvent> {
        self.0.range(from as usize..to as usize).collect()
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct BindingSample {
    pub window: BindingWindow,
    /// Start triggers since the last sample that found a window open.
    pub starts_in_window: i64,
    /// The first targets, then the children that joined.
    pub targets: Vec<BindingTarget>,
    pub threads: BindingThreads,
    /// Null: of no thread, or nothing of it was recorded.
    pub critical_path: Option<BindingCriticalPath>,
    /// Time that the hypervisor took from this machine's CPUs during the window, all of them together, in the kernel's clock
    /// ticks; null: unknown.
    pub steal_ns: Option<i64>,
    /// Of Open vSwitch's datapath, whosever; null: they were not counted.
    pub upcalls: Option<Vec<BindingUpcall>>,
    pub calls: BindingCalls,
    /// In no particular order.
    pub off_cpu: Vec<BindingOffCpu>,
    /// Frames innermost first, of the stacks that events and times name by index.
    pub stacks: Vec<Vec<BindingFrame>>,
    /// Why stacks and names are missing, a line each, each told with the first sample that it was met for.
    pub stack_problems: Vec<String>,
    pub losses: BindingLosses,
}

impl From<Sample> for BindingSample {
    fn from(sample: Sample) -> Self {
        Self {
            window: (sample.start, sample.stop).into(),
            starts_in_window: sample.starts_in_window,
            targets: sample.targets,
            threads: sample.threads.into(),
            critical_path: sample.critical_path,
            steal_ns: sample.steal_ns,
            upcalls: sample.upcalls,
            calls: BindingCalls(sample.calls),
            off_cpu: sample.off_cpu,
            stacks: sample.stacks,
            stack_problems: sample.stack_problems,
            losses: sample.losses,
        }
    }
}
