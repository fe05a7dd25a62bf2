//! From the rows of who ran and who woke to what a sample says of it.

use std::collections::HashMap;

use abi::durations::Durations;
use abi::who::{Who, WhoKey, WhoRow};

use crate::names::interrupts::{SOFT_IRQ_NAMES, vector_name};
use crate::names::text::{name_of, printable};
use crate::sample::{Queue, RanInstead, TaskInstead, Thread, Waker};

const MOST_TASKS: usize = 5;
const MOST_QUEUES: usize = 5;
const MOST_WAKERS: usize = 3;

/// `ready_ns` is the sum of the waits that were whole, `short_ns` of those that are not told; `others` are the wakers for which there
/// was no row.
pub fn attributed(
    rows: Vec<(WhoKey, WhoRow)>,
    ready_ns: u64,
    short_ns: u64,
    others: Durations,
) -> (RanInstead, Vec<Waker>) {
    let mut tasks: Vec<TaskInstead> = Vec::new();
    let mut cpus: Vec<Queue> = Vec::new();
    let mut wakers: Vec<Waker> = Vec::new();
    for (key, row) in rows {
        let total_ns = row.durations.total_ns as i64;
        match key.who {
            who if who == Who::Instead as u32 => tasks.push(TaskInstead {
                pid: row.tgid,
                tid: row.tid,
                comm: name_of(&row.comm),
                count: row.durations.count as i64,
                total_ns,
                cgroup: None,
            }),
            who if who == Who::Queue as u32 => cpus.push(Queue {
                cpu: key.number,
                total_ns,
            }),
            _ => wakers.push(waker(&key, &row)),
        }
    }
    if others.count > 0 {
        wakers.push(Waker {
            by: "others".to_owned(),
            count: others.count as i64,
            blocked_ns: others.total_ns as i64,
            ..Waker::default()
        });
    }
    tasks.sort_by_key(|task| (-task.total_ns, task.tid));
    cpus.sort_by_key(|queue| (-queue.total_ns, queue.cpu));
    wakers.sort_by(|a, b| b.blocked_ns.cmp(&a.blocked_ns).then(a.name.cmp(&b.name)));
    let all_ns: i64 = tasks.iter().map(|task| task.total_ns).sum();
    tasks.truncate(MOST_TASKS);
    cpus.truncate(MOST_QUEUES);
    wakers.truncate(MOST_WAKERS);
    let attributed_ns: i64 = tasks.iter().map(|task| task.total_ns).sum();
    let ran_instead = RanInstead {
        tasks,
        other_tasks_ns: all_ns - attributed_ns,
        cpus,
        short_ns: short_ns as i64,
        unattributed_ns: (ready_ns as i64 - short_ns as i64 - all_ns).max(0),
    };
    (ran_instead, wakers)
}

/// Looks up where the tasks are that ran instead of these threads.
pub fn find_cgroups(threads: &mut [Thread]) {
    let mut known: HashMap<u32, Option<String>> = HashMap::new();
    for thread in threads {
        for task in &mut thread.ran_instead.tasks {
            task.cgroup = known
                .entry(task.tid)
                .or_insert_with(|| cgroup(task.tid))
                .clone();
        }
    }
}

fn waker(key: &WhoKey, row: &WhoRow) -> Waker {
    let number = key.number;
    let (by, name) = match key.who {
        who if who == Who::HardIrq as u32 => {
            let name = name_of(&row.comm);
            let line = format!("irq {number}");
            (
                "hard irq",
                if name.is_empty() {
                    line
                } else {
                    format!("{name} ({line})")
                },
            )
        }
        who if who == Who::SoftIrq as u32 => {
            let name = SOFT_IRQ_NAMES.get(number as usize);
            (
                "soft irq",
                name.map_or_else(|| format!("softirq_{number}"), |name| (*name).to_owned()),
            )
        }
        who if who == Who::Vector as u32 => ("vector", vector_name(number, &row.comm)),
        _ if number == 0 => ("idle", name_of(&row.comm)),
        _ => ("task", name_of(&row.comm)),
    };
    let is_task = by == "task";
    Waker {
        by: by.to_owned(),
        name,
        pid: if is_task { row.tgid } else { 0 },
        tid: if is_task { row.tid } else { 0 },
        count: row.durations.count as i64,
        blocked_ns: row.durations.total_ns as i64,
    }
}

/// Of the second hierarchy, which has no number and no controllers in its line; a task that runs in the root has none to tell.
fn cgroup(tid: u32) -> Option<String> {
    if tid == 0 {
        return None;
    }
    let text = std::fs::read(format!("/proc/{tid}/cgroup")).ok()?;
    let line = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))?;
    (line != b"/").then(|| printable(line))
}
