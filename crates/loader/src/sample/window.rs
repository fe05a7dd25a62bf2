//! A window: when it began and ended, and by what.

/// How a window began.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    pub at_ns: u64,
    pub wall_ns: u64,
    /// `None`: user space opened it.
    pub by: Option<TriggeringThread>,
    /// Start triggers missed by then since the session's beginning; it wraps.
    pub triggers_missed: u32,
}

/// How it ended, or will in a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    pub at_ns: u64,
    pub reason: StopReason,
    pub by: Option<TriggeringThread>,
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
    /// The call that the window is about was left without a return.
    Left,
}

impl StopReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Trigger => "trigger",
            Self::Interrupt => "interrupt",
            Self::Exit => "exit",
            Self::Timeout => "timeout",
            Self::Left => "left",
        }
    }
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
