//! The numbers and names of tasks, as a time line has them: one number for each, from the first time that it is written to its end.

use recorder::event::{Pid, TaskName};
use rustc_hash::FxHashMap;

use crate::names::Names;

/// The first number that no task can have (`PID_MAX_LIMIT`). Whoever has none that is known has this and its kernel's.
pub const FIRST_OF_OTHERS: u32 = 1 << 22;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub tid: i32,
    /// 0: not known.
    pub tgid: i32,
    pub comm: String,
}

#[derive(Default)]
pub struct Tasks {
    by_pid: FxHashMap<Pid, Task>,
    /// Whose tasks have ended, and what they were written as.
    ended: FxHashMap<Pid, i32>,
}

impl Tasks {
    /// A task as it is written now; the second: this is the first time.
    pub fn of(&mut self, pid: Pid, names: &mut impl Names) -> (&Task, bool) {
        let mut is_new = false;
        let task = self.by_pid.entry(pid).or_insert_with(|| {
            is_new = true;
            match names.task(pid) {
                Some(name) => task(pid, &name, names),
                None => Task {
                    tid: number(pid, 0, names),
                    tgid: 0,
                    comm: String::new(),
                },
            }
        });
        (task, is_new)
    }

    /// Whether what it is called is known, or has been asked for.
    pub fn is_known(&self, pid: Pid) -> bool {
        self.by_pid.contains_key(&pid)
    }

    /// Its name is this from now on, and its number, if none was known of it before. Whether it is new, or in another process than it was.
    pub fn name(&mut self, pid: Pid, name: &TaskName, names: &impl Names) -> bool {
        let named = task(pid, name, names);
        match self.by_pid.get_mut(&pid) {
            Some(task) => {
                let is_moved = task.tgid != named.tgid;
                let tid = if task.tid < FIRST_OF_OTHERS as i32 {
                    task.tid
                } else {
                    named.tid
                };
                *task = Task { tid, ..named };
                is_moved
            }
            None => {
                self.by_pid.insert(pid, named);
                true
            }
        }
    }

    pub fn end(&mut self, pid: Pid) {
        if let Some(task) = self.by_pid.remove(&pid) {
            self.ended.insert(pid, task.tid);
        }
    }

    /// A task begins: the number of the one that had its place before, if that was written.
    pub fn begin(&mut self, pid: Pid) -> Option<i32> {
        let ended = self.ended.remove(&pid);
        let before = self.by_pid.remove(&pid);
        before.map(|task| task.tid).or(ended)
    }
}

fn number(pid: Pid, reported: u32, names: &impl Names) -> i32 {
    let number = match reported {
        0 => names.number(pid),
        tid => Some(tid),
    };
    let number = number.unwrap_or_else(|| FIRST_OF_OTHERS.saturating_add(pid));
    number.min(i32::MAX as u32) as i32
}

fn task(pid: Pid, TaskName { tid, tgid, comm }: &TaskName, names: &impl Names) -> Task {
    Task {
        tid: number(pid, *tid, names),
        tgid: (*tgid).min(i32::MAX as u32) as i32,
        comm: names.text(comm),
    }
}
