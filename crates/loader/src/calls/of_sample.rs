//! The calls of a sample. There may be millions: each is described when it is asked for, and kept as it was recorded.

use std::fmt;
use std::ops::Range;

use crate::calls::recorded_call::{RecordedCall, user_stack_end};
use crate::calls::stack_table::{StackIndices, StackTable};
use crate::calls::syscall_event::syscall_event;
use crate::sample::{CallWait, SyscallEvent};

/// In the order of their beginnings.
#[derive(Default)]
pub struct Calls(Vec<(RecordedCall, StackIndices)>);

impl Calls {
    pub fn new(recorded: Vec<RecordedCall>, table: &mut StackTable) -> Self {
        let with_indices = recorded.into_iter().map(|call| {
            let indices = table.add(call.call.tgid, call.stacks.as_ref());
            (call, indices)
        });
        Self(with_indices.collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = SyscallEvent> {
        self.0.iter().map(event)
    }

    /// Those of these indices that there are.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = SyscallEvent> {
        let end = range.end.min(self.0.len());
        let range = range.start.min(end)..end;
        self.0[range].iter().map(event)
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls", self.len())
    }
}

fn event((recorded, indices): &(RecordedCall, StackIndices)) -> SyscallEvent {
    let stacks = recorded.stacks.as_ref();
    let wait = stacks.and_then(|stacks| stacks.wait.as_ref());
    SyscallEvent {
        wait: wait.map(|wait| CallWait {
            off_cpu_ns: wait.off_cpu_ns.min(recorded.call.duration_ns) as i64,
            preempted: wait.is_preempted,
        }),
        kernel_stack: indices.kernel,
        user_stack: indices.user,
        user_stack_end: user_stack_end(stacks).map(str::to_owned),
        ..syscall_event(&recorded.call)
    }
}
