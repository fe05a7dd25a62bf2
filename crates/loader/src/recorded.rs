//! What was recorded in a window apart from its threads' numbers, and how a sample tells of it. To find names may take seconds.

use std::collections::HashMap;

use bpf_probes::abi::off_cpu::OffCpuKey;
use stacks::End;

use crate::call_events;
use crate::error::Result;
use crate::recorded_call::{CallStacks, RecordedCall};
use crate::sample::{CallWait, Frame, OffCpu, SyscallEvent};
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
    pub events: Vec<SyscallEvent>,
    pub off_cpu: Vec<OffCpu>,
    pub stacks: Vec<Vec<Frame>>,
    pub stacks_truncated: i64,
    pub frames_unresolved: i64,
}

const COMPLETE: &str = "complete";

impl Recorded {
    /// Calls and times name their stacks by index.
    pub fn described(&self, symbols: &Symbols) -> Result<Described> {
        let mut table = StackTable::default();
        let events: Vec<SyscallEvent> = self
            .calls
            .iter()
            .map(|recorded| event(recorded, table.add(recorded.stacks.as_ref())))
            .collect();
        let off_cpu: Vec<OffCpu> = self
            .blocked
            .iter()
            .map(|time| {
                let stacks = self.stacks.get(&time.key);
                off_cpu(time, stacks, table.add(stacks))
            })
            .collect();
        let of_events = events.iter().map(|event| &event.user_stack_end);
        let of_times = off_cpu.iter().map(|time| &time.user_stack_end);
        let ends = of_events.chain(of_times).flatten();
        let stacks_truncated = ends.filter(|&end| end != COMPLETE).count() as i64;
        let stacks = symbols.name(table)?;
        let frames = stacks.iter().flatten();
        let frames_unresolved = frames.filter(|frame| frame.symbol.is_none()).count() as i64;
        Ok(Described {
            events,
            off_cpu,
            stacks,
            stacks_truncated,
            frames_unresolved,
        })
    }
}

fn event(recorded: &RecordedCall, indices: StackIndices) -> SyscallEvent {
    let stacks = recorded.stacks.as_ref();
    let wait = stacks.and_then(|stacks| stacks.wait.as_ref());
    SyscallEvent {
        wait: wait.map(|wait| CallWait {
            off_cpu_ns: wait.off_cpu_ns as i64,
            preempted: wait.is_preempted,
        }),
        kernel_stack: indices.kernel,
        user_stack: indices.user,
        user_stack_end: user_stack_end(stacks),
        ..call_events::describe(&recorded.call)
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
        user_stack_end: user_stack_end(stacks),
    }
}

fn user_stack_end(stacks: Option<&CallStacks>) -> Option<String> {
    let walk = stacks?.user.as_ref()?;
    let name = match walk.end {
        End::Complete => COMPLETE,
        End::CutStack => "cut",
        End::NoUnwindInfo => "no unwind information",
        End::Invalid => "invalid",
        End::TooDeep => "too deep",
    };
    Some(name.to_owned())
}
