//! One thread's numbers.

use abi::syscall::SyscallKey;

use crate::names::syscalls;

/// One system call of one thread. COUNT, TOTAL and MAX cover calls that began and ended inside the window;
/// `in_flight_ns` is the time inside the window of those that an edge, or the thread's end, cut.
///
/// A sample may have a million of them: what a call is called is looked up when it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct SyscallStatistics {
    pub key: SyscallKey,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
    pub in_flight_ns: i64,
    /// Of `total_ns` and `in_flight_ns` together, the time in which the thread was ready, blocked, stopped; the rest was on a CPU,
    /// interrupts included.
    pub ready_ns: i64,
    pub blocked_ns: i64,
    pub stopped_ns: i64,
    /// Calls that were refused before they began, as seccomp's filters have it; they are no part of what stands above.
    pub refused: i64,
    /// The error that all of them returned; `None`: there are none, there is no error, or not all have the same.
    pub refused_errno: Option<&'static str>,
    /// Pairs, in rising order: the number of a bucket that is not empty, and its count. There are four buckets to each power of two, from
    /// 32 ns on; the first holds all shorter durations too, the last one all longer ones. `None`: counters wrapped.
    pub histogram: Option<Box<[u32]>>,
}

impl SyscallStatistics {
    /// Of which the window saw nothing.
    pub fn none_of(key: SyscallKey) -> Self {
        Self {
            key,
            count: 0,
            total_ns: 0,
            max_ns: 0,
            in_flight_ns: 0,
            ready_ns: 0,
            blocked_ns: 0,
            stopped_ns: 0,
            refused: 0,
            refused_errno: None,
            histogram: Some(Box::default()),
        }
    }

    pub fn name(&self) -> String {
        syscalls::name(self.key)
    }
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

/// From the end of a call of the poll family to the beginning of the next one: how long a loop was outside its poll.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingLongPoll")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LongPoll {
    pub count: i64,
    pub total_ns: i64,
    /// Null without any.
    pub min_ns: Option<i64>,
    pub max_ns: Option<i64>,
    pub histogram: Option<Vec<u32>>,
}

/// A local timer's or another processor's interrupts, which have no line.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingLocalIrq")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalIrq {
    pub name: String,
    pub vector: u32,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
}

/// A task that ran while the thread waited for a CPU; pid 0: the CPU was idle, or the task has no pid in this namespace.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingTaskInstead")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskInstead {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub count: i64,
    pub total_ns: i64,
    /// Where it is in the hierarchy by now; null: unknown.
    pub cgroup: Option<String>,
}

/// A CPU in whose queue the thread waited.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingQueue")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub cpu: u32,
    pub total_ns: i64,
}

/// Who ran while the thread waited for a CPU: of the waits that `ready.totalNs` is the sum of. The parts add up to that.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingRanInstead")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RanInstead {
    /// The longest, five at most.
    pub tasks: Vec<TaskInstead>,
    pub other_tasks_ns: i64,
    /// The longest, five at most.
    pub cpus: Vec<Queue>,
    pub unattributed_ns: i64,
}

/// Who woke the thread from being blocked.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingWaker")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waker {
    #[cfg_attr(
        feature = "node",
        napi(ts_type = "'task' | 'hard irq' | 'soft irq' | 'local irq' | 'idle'")
    )]
    pub by: String,
    pub name: String,
    /// Of a task, else 0.
    pub pid: u32,
    pub tid: u32,
    pub count: i64,
    pub blocked_ns: i64,
}

/// Page faults, as the kernel counts them from the thread's first event in the window to its last switch; null: unknown.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingFaults")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    pub minor: Option<i64>,
    pub major: Option<i64>,
    /// Time blocked outside of any system call.
    pub blocked_ns: i64,
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
    /// In user code; with all time on a CPU outside of calls where `kernelOutsideCallsNs` is null.
    pub user_ns: i64,
    /// In system calls.
    pub kernel_ns: i64,
    /// In the kernel outside of calls: page faults and other exceptions, the ways into calls and out of them. Measured by the timer's
    /// ticks, but of threads that never leave the kernel; null: too few of them.
    pub kernel_outside_calls_ns: Option<i64>,
    pub ready_woken_ns: i64,
    pub ready_preempted_ns: i64,
    pub blocked_ns: i64,
    pub stopped_ns: i64,
    /// By the freezer of its control group, or with the machine.
    pub frozen_ns: i64,
    pub hard_irq_ns: i64,
    pub soft_irq_ns: i64,
    pub unknown_ns: i64,
}

/// What a time of waiting was for: what somebody did meanwhile. What is below it is what that was for in turn, and adds up to it.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingChain")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    #[cfg_attr(
        feature = "node",
        napi(
            ts_type = "'running' | 'ready' | 'blocked' | 'stopped' | 'frozen' | 'turn' | 'idle' | 'interrupt' | 'unfinished' | 'unknown' | 'others'"
        )
    )]
    pub what: String,
    /// The call that it is blocked in; null: in none, or not known.
    pub call: Option<String>,
    /// Whom it is about; 0: nobody, or nobody in this pid namespace.
    pub pid: u32,
    pub tid: u32,
    /// The task's name, or the interrupt's.
    pub name: String,
    /// What that has to do with what stands above; null: it is the thread's own.
    #[cfg_attr(feature = "node", napi(ts_type = "'waker' | 'exit' | 'parent' | null"))]
    pub by: Option<String>,
    /// The call in which it woke that one; null: in none, or not known.
    pub by_call: Option<String>,
    pub count: i64,
    pub total_ns: i64,
    pub below: Vec<Chain>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thread {
    pub pid: u32,
    pub tid: u32,
    /// May hold control characters; bytes that are no UTF-8 are spelled `\xNN`.
    pub comm: String,
    /// Began to exit inside the window.
    pub exited: bool,
    /// It never leaves the kernel, and works there for its process: io_uring's and vhost's workers.
    pub kernel_only: bool,
    pub syscalls: Vec<SyscallStatistics>,
    pub run: Run,
    pub ready: Ready,
    pub stopped: Stopped,
    pub long_poll: LongPoll,
    pub hard_irqs: Vec<HardIrq>,
    pub local_irqs: Vec<LocalIrq>,
    pub soft_irqs: Vec<SoftIrq>,
    pub ran_instead: RanInstead,
    /// The longest, three at most.
    pub woken_by: Vec<Waker>,
    /// What its sleeps and its waits for a CPU were for; `None`: nothing was recorded.
    pub chains: Option<Vec<Chain>>,
    pub faults: Faults,
    pub budget: Budget,
}
