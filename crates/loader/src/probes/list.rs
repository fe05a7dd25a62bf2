//! Which tracepoints have a probe, in which order they are attached, and when each is needed.

/// When a probe is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Always,
    /// The targets are a set: its dead must leave it.
    TargetSet,
    /// Children join the targets.
    Follow,
    /// The flight recorder records.
    Recorder,
}

pub struct Probe {
    pub tracepoint: &'static str,
    pub need: Need,
}

/// In the order in which they are attached. The windows are closed meanwhile.
pub const PROBES: [Probe; 15] = [
    Probe {
        tracepoint: "sched_process_fork",
        need: Need::Follow,
    },
    Probe {
        tracepoint: "sched_process_free",
        need: Need::TargetSet,
    },
    Probe {
        tracepoint: "sched_switch",
        need: Need::Always,
    },
    Probe {
        tracepoint: "sched_waking",
        need: Need::Always,
    },
    Probe {
        tracepoint: "sched_migrate_task",
        need: Need::Recorder,
    },
    Probe {
        tracepoint: "sched_wakeup_new",
        need: Need::Always,
    },
    Probe {
        tracepoint: "sched_process_exit",
        need: Need::Always,
    },
    Probe {
        tracepoint: "sched_process_exec",
        need: Need::Always,
    },
    Probe {
        tracepoint: "task_rename",
        need: Need::Always,
    },
    Probe {
        tracepoint: "irq_handler_entry",
        need: Need::Always,
    },
    Probe {
        tracepoint: "irq_handler_exit",
        need: Need::Always,
    },
    Probe {
        tracepoint: "softirq_entry",
        need: Need::Always,
    },
    Probe {
        tracepoint: "softirq_exit",
        need: Need::Always,
    },
    Probe {
        tracepoint: "sys_enter",
        need: Need::Always,
    },
    Probe {
        tracepoint: "sys_exit",
        need: Need::Always,
    },
];

/// Interrupts that `irq_handler_entry` does not tell of: the first halves of the names of their tracepoints. Which of them there
/// are depends on the kernel; their programs are attached to each.
#[cfg(target_arch = "x86_64")]
pub const LOCAL_IRQS: &[&str] = &[
    "local_timer",
    "reschedule",
    "call_function",
    "call_function_single",
    "irq_work",
];
#[cfg(target_arch = "aarch64")]
pub const LOCAL_IRQS: &[&str] = &["ipi"];
