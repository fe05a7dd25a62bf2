//! What one window saw: plain values, in the shape of the JSON contract. Durations are ns that fit JavaScript's
//! numbers (2^53 ns are 104 days); absolute times are `u64`, which become bigints.

use crate::calls::Calls;
use crate::pending::{Start, Stop};

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

/// One system call of one thread. COUNT, TOTAL and MAX cover calls that began and ended inside the window;
/// `inFlightNs` is the time inside the window of those that an edge, or the thread's end, cut.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingSyscall")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyscallStatistics {
    pub name: String,
    pub number: u32,
    #[cfg_attr(
        feature = "node",
        napi(ts_type = "'native' | 'ia32' | 'x32' | 'arm32'")
    )]
    pub abi: String,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
    pub in_flight_ns: i64,
    /// Bucket i counts durations of [2^i, 2^(i+1)) ns, the last one all longer ones. Null: counters wrapped.
    pub histogram: Option<Vec<u32>>,
}

/// Time on a CPU: whole slices, and the parts that the window's edges cut.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingRun")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    pub count: i64,
    pub total_ns: i64,
    /// Null without a whole slice.
    pub min_ns: Option<i64>,
    pub max_ns: Option<i64>,
    pub clipped_ns: i64,
    pub histogram: Option<Vec<u32>>,
}

/// Durations of one kind; `maxNs` is null when there are none.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingInterval")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: Option<i64>,
}

/// Time runnable but not running.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingReady")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: Option<i64>,
    pub clipped_ns: i64,
    pub woken: Interval,
    pub preempted: Interval,
    pub histogram: Option<Vec<u32>>,
}

/// Time stopped by job control or by a tracer.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingStopped")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stopped {
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: Option<i64>,
    pub clipped_ns: i64,
}

#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingHardIrq")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HardIrq {
    pub name: String,
    pub irq: u32,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
}

#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingSoftIrq")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoftIrq {
    pub name: String,
    pub vector: u32,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
}

/// Where the thread's time in the window went; the parts add up to `wallNs` exactly. Interrupts are subtracted
/// from what they interrupted.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingBudget")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    pub wall_ns: i64,
    pub user_ns: i64,
    pub kernel_ns: i64,
    pub ready_woken_ns: i64,
    pub ready_preempted_ns: i64,
    pub blocked_ns: i64,
    pub stopped_ns: i64,
    pub hard_irq_ns: i64,
    pub soft_irq_ns: i64,
    pub unknown_ns: i64,
}

#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingThread")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thread {
    pub pid: u32,
    pub tid: u32,
    /// May hold control characters; bytes that are no UTF-8 are spelled `\xNN`.
    pub comm: String,
    /// Began to exit inside the window.
    pub exited: bool,
    pub syscalls: Vec<SyscallStatistics>,
    pub run: Run,
    pub ready: Ready,
    pub stopped: Stopped,
    pub hard_irqs: Vec<HardIrq>,
    pub soft_irqs: Vec<SoftIrq>,
    pub budget: Budget,
}

/// A system call that began and ended inside the window.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingSyscallEvent")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyscallEvent {
    /// `CLOCK_MONOTONIC`, decimal.
    pub entry_ns: String,
    pub exit_ns: String,
    pub duration_ns: i64,
    pub pid: u32,
    pub tid: u32,
    /// The thread's name as the call ended.
    pub comm: String,
    pub name: String,
    pub number: u32,
    #[cfg_attr(
        feature = "node",
        napi(ts_type = "'native' | 'ia32' | 'x32' | 'arm32'")
    )]
    pub abi: String,
    /// Six, hexadecimal, of which the call may use fewer; null: the call replaced the registers that held them.
    pub arguments: Option<Vec<String>>,
    /// Decimal.
    pub result: String,
    /// The error's name; null: none, or one without a name.
    pub errno: Option<String>,
    /// The longest time off the CPU; null: none that was worth noting, or none was looked for.
    pub wait: Option<CallWait>,
    /// Where it was then: an index into the sample's `stacks`.
    pub kernel_stack: Option<u32>,
    /// Who made the call: an index into the sample's `stacks`; null: unknown.
    pub user_stack: Option<u32>,
    #[cfg_attr(
        feature = "node",
        napi(
            ts_type = "'complete' | 'cut' | 'no unwind information' | 'no frame pointer' | 'invalid' | 'too deep' | null"
        )
    )]
    pub user_stack_end: Option<String>,
}

/// A time off the CPU inside of a call.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingCallWait")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallWait {
    pub off_cpu_ns: i64,
    /// It did not sleep: another thread took the CPU.
    pub preempted: bool,
}

/// Time that a thread was blocked with one stack: the times that began and ended inside the window.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingOffCpu")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffCpu {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
    /// Indices into the sample's `stacks`; null: unknown.
    pub kernel_stack: Option<u32>,
    pub user_stack: Option<u32>,
    #[cfg_attr(
        feature = "node",
        napi(
            ts_type = "'complete' | 'cut' | 'no unwind information' | 'no frame pointer' | 'invalid' | 'too deep'"
        )
    )]
    pub user_stack_end: Option<String>,
}

/// A function on a stack. What is unknown is null.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingFrame")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Hexadecimal: where it goes on when what it called returns.
    pub address: String,
    pub symbol: Option<String>,
    /// Of the address, from the function's start; of an inlined one from the start of the function that holds it.
    pub offset: Option<i64>,
    /// As the process sees the file; `[vdso]`; of the kernel `[kernel]`, or its module in brackets.
    pub module: Option<String>,
    /// The address as the module's symbol table has it.
    pub module_address: Option<String>,
    pub build_id: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub inlined: bool,
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
