//! What was recorded in a window apart from its threads' numbers, and how a sample tells of it. To find names may take seconds.

use std::collections::HashMap;

use bpf_probes::abi::off_cpu::OffCpuKey;
use stacks::End;

use crate::calls::Calls;
use crate::error::Result;
use crate::recorded_call::{CallStacks, RecordedCall};
use crate::sample::{Frame, OffCpu};
use crate::snapshot::BlockedTime;
use crate::stack_table::{StackIndices, StackTable, Symbols};

pub struct Recorded {
    pub calls: Vec<RecordedCall>,
    pub blocked: Vec<BlockedTime>,
    /// Of the times blocked.
    pub stacks: HashMap<OffCpuKey, CallStacks>,
}

#[derive(Default)]
pub struct Described {
    pub calls: Calls,
    pub off_cpu: Vec<OffCpu>,
    pub stacks: Vec<Vec<Frame>>,
    pub stacks_truncated: i64,
    pub frames_unresolved: i64,
}

impl Recorded {
    /// Calls and times name their stacks by index.
    pub fn described(self, symbols: &Symbols) -> Result<Described> {
        let mut table = StackTable::default();
        let of_calls = self.calls.iter().map(|recorded| &recorded.stacks);
        let of_times = self.stacks.values().map(Some);
        let stacks = of_calls.map(Option::as_ref).chain(of_times);
        let stacks_truncated = stacks.filter(|&stacks| is_truncated(stacks)).count() as i64;
        let off_cpu = self
            .blocked
            .iter()
            .map(|time| {
                let stacks = self.stacks.get(&time.key);
                off_cpu(time, stacks, table.add(stacks))
            })
            .collect();
        let calls = Calls::new(self.calls, &mut table);
        let stacks = symbols.name(table)?;
        let frames = stacks.iter().flatten();
        let frames_unresolved = frames.filter(|frame| frame.symbol.is_none()).count() as i64;
        Ok(Described {
            calls,
            off_cpu,
            stacks,
            stacks_truncated,
            frames_unresolved,
        })
    }
}

fn off_cpu(time: &BlockedTime, stacks: Option<&CallStacks>, indices: StackIndices) -> OffCpu {
    OffCpu {
        pid: time.pid,
        tid: time.tid,
        comm: time.comm.clone(),
        count: time.durations.count as i64,
        total_ns: time.durations.total_ns as i64,
        max_ns: time.durations.max_ns as i64,
        kernel_stack: indices.kernel,
        user_stack: indices.user,
        user_stack_end: user_stack_end(stacks).map(str::to_owned),
    }
}

fn is_truncated(stacks: Option<&CallStacks>) -> bool {
    let walk = stacks.and_then(|stacks| stacks.user.as_ref());
    walk.is_some_and(|walk| walk.end != End::Complete)
}

/// How the walk of the user stack ended; `None`: there is none.
pub fn user_stack_end(stacks: Option<&CallStacks>) -> Option<&'static str> {
    let walk = stacks?.user.as_ref()?;
    Some(match walk.end {
        End::Complete => "complete",
        End::CutStack => "cut",
        End::NoUnwindInfo => "no unwind information",
        End::Invalid => "invalid",
        End::TooDeep => "too deep",
    })
}
