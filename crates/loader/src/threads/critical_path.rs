//! The critical path of a window, as a sample says it.

use recorder::machine::Machine;
use recorder::path::{Segment, critical_path};
use recorder::task::TaskId;

use crate::sample::{Chain, CriticalPath, PathSegment, PathStep, TriggeringThread};
use crate::threads::chains::step;
use crate::threads::recorded_names::Names;

/// Of a longer path the earlier segments are one, of others.
const MOST_SEGMENTS: usize = 10_000;

/// What the path is of.
#[derive(Clone, Copy)]
pub struct Times {
    /// The window's start, or before that.
    pub begin_ns: u64,
    pub start_ns: u64,
    pub stop_ns: u64,
}

/// Of the thread that is reported by this number; `None`: nothing of it was recorded.
pub fn of_thread(tid: u32, machine: &Machine, names: &Names, times: Times) -> Option<CriticalPath> {
    // Of several that had the number one after the other, the last.
    let has_it = |id: &TaskId| names.of(machine.task(*id)).tid == tid;
    let id = machine.tasks().map(|(id, _)| id).filter(has_it).last()?;
    let named = names.of(machine.task(id));
    let segments = critical_path(machine, id, times.begin_ns, times.stop_ns);
    let left_out = segments.len().saturating_sub(MOST_SEGMENTS);
    let mut told: Vec<PathSegment> = segments[left_out..]
        .iter()
        .map(|segment| told(segment, times.start_ns, machine, names))
        .collect();
    if let Some(to_ns) = told
        .first()
        .map(|first| first.from_ns)
        .filter(|_| left_out > 0)
    {
        let others = PathStep {
            what: "others".to_owned(),
            ..PathStep::default()
        };
        let earlier = PathSegment {
            from_ns: times.begin_ns as i64 - times.start_ns as i64,
            to_ns,
            steps: vec![others],
        };
        told.insert(0, earlier);
    }
    Some(CriticalPath {
        pid: named.pid,
        tid: named.tid,
        comm: named.comm,
        segments: told,
    })
}

/// Of a thread in which a trigger of the window fired, and of which nothing was recorded: it was on that CPU all along. (Of one that came to
/// it, or left it, there would be a switch, unless that was lost: then nobody knows.)
pub fn without_records(thread: &TriggeringThread, times: Times, is_any_lost: bool) -> CriticalPath {
    let TriggeringThread { pid, tid, comm } = thread.clone();
    let what = if is_any_lost { "unknown" } else { "running" };
    let all_along = PathSegment {
        from_ns: times.begin_ns as i64 - times.start_ns as i64,
        to_ns: times.stop_ns as i64 - times.start_ns as i64,
        steps: vec![PathStep {
            what: what.to_owned(),
            pid,
            tid,
            name: comm.clone(),
            ..PathStep::default()
        }],
    };
    CriticalPath {
        pid,
        tid,
        comm,
        segments: vec![all_along],
    }
}

fn told(segment: &Segment, start_ns: u64, machine: &Machine, names: &Names) -> PathSegment {
    let since_start = |ns: u64| ns as i64 - start_ns as i64;
    let steps = segment.way.iter();
    PathSegment {
        from_ns: since_start(segment.from_ns),
        to_ns: since_start(segment.to_ns),
        steps: steps.map(|&it| step(it, machine, names).into()).collect(),
    }
}

impl From<Chain> for PathStep {
    fn from(chain: Chain) -> Self {
        let Chain {
            what,
            call,
            pid,
            tid,
            name,
            by,
            by_call,
            ..
        } = chain;
        Self {
            what,
            call,
            pid,
            tid,
            name,
            by,
            by_call,
        }
    }
}
