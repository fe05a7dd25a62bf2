//! From what was recorded of a thread's waits to what a sample says of them.

use std::collections::HashMap;

use abi::durations::Durations;
use recorder::cpu::Turn;
use recorder::event::Pid;
use recorder::machine::Machine;
use recorder::task::{TaskId, Waker};
use recorder::window::Waits;
use rustc_hash::FxHashMap;

use crate::sample::{self, Queue, RanInstead, TaskInstead};
use crate::threads::chains::chains;
use crate::threads::recorded_names::{Named, Names};
use crate::threads::seen::SeenThread;
use crate::threads::shares::hold_within;

const MOST_TASKS: usize = 5;
const MOST_QUEUES: usize = 5;
const MOST_WAKERS: usize = 3;

/// What was recorded of a window's waits, for these threads of it.
pub fn attribute(
    threads: &mut [SeenThread],
    machine: &mut Machine,
    waits: &FxHashMap<TaskId, Waits>,
    names: &Names,
) {
    let mut by_pid: HashMap<Pid, Vec<TaskId>> = HashMap::new();
    for (id, task) in machine.tasks() {
        by_pid.entry(task.pid).or_default().push(id);
    }
    let ids: Vec<Option<TaskId>> = threads
        .iter()
        .map(|seen| {
            // Of several that had the number one after the other, the one that began when the thread did.
            let begin = |id: &&TaskId| {
                let intervals = machine.task(**id).intervals();
                let began_ns = intervals.first().map_or(u64::MAX, |first| first.from_ns);
                began_ns.abs_diff(seen.begin_ns)
            };
            let ids = by_pid.get(&seen.kernel_pid)?;
            ids.iter().min_by_key(begin).copied()
        })
        .collect();
    // Of all of them before any is told of: others may have waited for it.
    for (seen, id) in threads.iter().zip(&ids) {
        if let Some(id) = id {
            machine.began_in(*id, seen.first_call);
        }
    }
    let none = Waits::default();
    let machine = &*machine;
    for (seen, id) in threads.iter_mut().zip(ids) {
        let waits = id.and_then(|id| waits.get(&id)).unwrap_or(&none);
        let thread = &mut seen.thread;
        thread.ran_instead = ran_instead(waits, machine, names, thread.ready.total_ns);
        thread.woken_by = woken_by(waits, machine, names, thread.budget.blocked_ns);
        let budget = &thread.budget;
        let waited_ns = budget.ready_woken_ns + budget.ready_preempted_ns + budget.blocked_ns;
        let branches = waits.chains.branches(machine);
        thread.chains = Some(chains(&branches, machine, names, waited_ns));
    }
}

/// Of a thread of which nothing was recorded.
pub fn nothing_recorded(ready_ns: i64) -> RanInstead {
    RanInstead {
        unattributed_ns: ready_ns,
        ..RanInstead::default()
    }
}

/// `ready_ns` is the sum of the waits that were whole. Each task once, whatever its threads' numbers.
pub fn ran_instead(waits: &Waits, machine: &Machine, names: &Names, ready_ns: i64) -> RanInstead {
    let mut tasks: Vec<TaskInstead> = Vec::new();
    for (turn, durations) in &waits.instead {
        let named = match turn {
            Turn::Task(id) => names.of(machine.task(*id)),
            Turn::Idle => idle(),
            Turn::Unseen | Turn::Unknown => continue,
        };
        tasks.push(TaskInstead {
            pid: named.pid,
            tid: named.tid,
            comm: named.comm,
            count: durations.count as i64,
            total_ns: durations.total_ns as i64,
            cgroup: None,
        });
    }
    let queue = |(&cpu, &total_ns): (&u32, &u64)| Queue {
        cpu,
        total_ns: total_ns as i64,
    };
    let mut cpus: Vec<Queue> = waits.queues.iter().map(queue).collect();
    hold_within(&mut tasks, ready_ns, |task| &mut task.total_ns);
    hold_within(&mut cpus, ready_ns, |queue| &mut queue.total_ns);
    tasks.sort_by_key(|task| (-task.total_ns, task.tid));
    cpus.sort_by_key(|queue| (-queue.total_ns, queue.cpu));
    let all_ns: i64 = tasks.iter().map(|task| task.total_ns).sum();
    tasks.truncate(MOST_TASKS);
    cpus.truncate(MOST_QUEUES);
    let named_ns: i64 = tasks.iter().map(|task| task.total_ns).sum();
    RanInstead {
        tasks,
        other_tasks_ns: all_ns - named_ns,
        cpus,
        unattributed_ns: ready_ns - all_ns,
    }
}

fn idle() -> Named {
    Named {
        comm: "swapper".to_owned(),
        ..Named::default()
    }
}

/// `blocked_ns` is what wakers can have ended.
pub fn woken_by(
    waits: &Waits,
    machine: &Machine,
    names: &Names,
    blocked_ns: i64,
) -> Vec<sample::Waker> {
    let described =
        |(waker, durations): (&Waker, &Durations)| describe(waker, durations, machine, names);
    let mut wakers: Vec<sample::Waker> = waits.wakers.iter().map(described).collect();
    hold_within(&mut wakers, blocked_ns, |waker| &mut waker.blocked_ns);
    // Of a thread that was found to have been stopped: who let it go on has ended no wait.
    wakers.retain(|waker| waker.blocked_ns > 0);
    wakers.sort_by(|a, b| b.blocked_ns.cmp(&a.blocked_ns).then(a.name.cmp(&b.name)));
    wakers.truncate(MOST_WAKERS);
    wakers
}

fn describe(
    waker: &Waker,
    durations: &Durations,
    machine: &Machine,
    names: &Names,
) -> sample::Waker {
    let (by, name, pid, tid) = match waker {
        Waker::Task(id, _) => {
            let named = names.of(machine.task(*id));
            ("task", named.comm, named.pid, named.tid)
        }
        Waker::Irq(irq) => {
            let (by, name) = names.irq(*irq);
            (by, name, 0, 0)
        }
        Waker::IdleCpu => ("idle", String::new(), 0, 0),
    };
    sample::Waker {
        by: by.to_owned(),
        name,
        pid,
        tid,
        count: durations.count as i64,
        blocked_ns: durations.total_ns as i64,
    }
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
