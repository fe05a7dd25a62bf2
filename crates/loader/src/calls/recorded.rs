//! What was recorded in a window apart from its threads' numbers, and how a sample tells of it. To find names may take seconds.

use std::collections::HashMap;

use abi::off_cpu::OffCpuKey;
use stacks::End;

use crate::calls::naming::{Named, Symbols};
use crate::calls::of_sample::Calls;
use crate::calls::off_cpu::merged;
use crate::calls::recorded_call::{CallStacks, RecordedCall, user_stack_end};
use crate::calls::stack_table::{StackIndices, StackTable};
use crate::sample::{Frame, OffCpu};
use crate::threads::seen::BlockedTime;

pub struct Recorded {
    pub calls: Vec<RecordedCall>,
    pub blocked: Vec<BlockedTime>,
    /// Of the times blocked, and of those that had not ended.
    pub stacks: HashMap<OffCpuKey, CallStacks>,
    /// Why stacks are missing, a line each.
    pub problems: Vec<String>,
}

#[derive(Default)]
pub struct Described {
    pub calls: Calls,
    pub off_cpu: Vec<OffCpu>,
    pub stacks: Vec<Vec<Frame>>,
    pub stacks_truncated: i64,
    pub frames_unresolved: i64,
    /// Why stacks and names are missing, a line each.
    pub problems: Vec<String>,
}

/// Of one sample. Those after them are counted.
const MOST_PROBLEMS: usize = 20;

impl Recorded {
    /// Calls and times name their stacks by index.
    pub fn described(self, symbols: &Symbols) -> Described {
        let mut table = StackTable::default();
        let of_calls = self.calls.iter().map(|recorded| &recorded.stacks);
        let of_times = self.blocked.iter().map(|time| self.stacks.get(&time.key));
        let stacks = of_calls.map(Option::as_ref).chain(of_times);
        let stacks_truncated = stacks.filter(|&stacks| is_truncated(stacks)).count() as i64;
        let off_cpu: Vec<OffCpu> = self
            .blocked
            .iter()
            .map(|time| {
                let stacks = self.stacks.get(&time.key);
                off_cpu(time, stacks, table.add(time.pid, stacks))
            })
            .collect();
        let calls = Calls::new(self.calls, &mut table);
        let Named { stacks, problems } = symbols.name(&table);
        let off_cpu = merged(off_cpu, &stacks);
        let problems = self.problems.into_iter().chain(problems).collect();
        let frames = stacks.iter().flatten();
        let frames_unresolved = frames.filter(|frame| frame.symbol.is_none()).count() as i64;
        Described {
            calls,
            off_cpu,
            stacks,
            stacks_truncated,
            frames_unresolved,
            problems: bounded(problems),
        }
    }

    /// The build ids of debug files that would have more names.
    pub fn missing_debug_files(&self, symbols: &Symbols) -> Vec<String> {
        let mut table = StackTable::default();
        for recorded in &self.calls {
            table.add(recorded.call.tgid, recorded.stacks.as_ref());
        }
        for time in &self.blocked {
            table.add(time.pid, self.stacks.get(&time.key));
        }
        symbols.missing(&table)
    }
}

fn bounded(mut problems: Vec<String>) -> Vec<String> {
    let beyond = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if beyond > 0 {
        problems.push(format!("{beyond} more problems"));
    }
    problems
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

#[cfg(test)]
mod tests {
    use super::{MOST_PROBLEMS, bounded};

    #[test]
    fn problems_beyond_some_are_counted() {
        let lines = |count: usize| -> Vec<String> { (0..count).map(|n| n.to_string()).collect() };
        assert_eq!(bounded(lines(MOST_PROBLEMS)), lines(MOST_PROBLEMS));
        let many = bounded(lines(MOST_PROBLEMS + 3));
        assert_eq!(many.len(), MOST_PROBLEMS + 1);
        assert_eq!(many.last().unwrap(), "3 more problems");
    }
}
