//! A recorded system call on its way from the ring buffer to its window's sample.

use std::sync::Arc;

use abi::event::SyscallEvent;
use stacks::{End, Walk};

#[derive(Clone)]
pub struct RecordedCall {
    pub call: SyscallEvent,
    /// `None`: it came without stacks.
    pub stacks: Option<CallStacks>,
}

/// Equal ones are one in memory.
#[derive(Clone)]
pub struct CallStacks {
    /// `None`: the call was never off the CPU for long.
    pub wait: Option<WaitStack>,
    /// `None`: none was asked for, or the process's maps could not be read.
    pub user: Option<Arc<Walk>>,
}

/// Where the call was off the CPU for the longest time.
#[derive(Clone)]
pub struct WaitStack {
    pub off_cpu_ns: u64,
    pub is_preempted: bool,
    /// Kernel addresses, innermost first; empty: the kernel did not hand them over.
    pub frames: Arc<[u64]>,
}

impl RecordedCall {
    pub fn entry_ns(&self) -> u64 {
        self.call.exit_ns.saturating_sub(self.call.duration_ns)
    }
}

impl From<SyscallEvent> for RecordedCall {
    fn from(call: SyscallEvent) -> Self {
        Self { call, stacks: None }
    }
}

/// How the walk of the user stack ended; `None`: there is none.
pub fn user_stack_end(stacks: Option<&CallStacks>) -> Option<&'static str> {
    let walk = stacks?.user.as_ref()?;
    Some(match walk.end {
        End::Complete => "complete",
        End::CutStack => "cut",
        End::NoUnwindInfo => "no unwind information",
        End::NoFramePointer => "no frame pointer",
        End::Invalid => "invalid",
        End::TooDeep => "too deep",
        End::TooCostly => "too costly",
    })
}
