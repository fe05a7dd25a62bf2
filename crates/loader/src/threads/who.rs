//! From the rows of who ran and who woke to what a sample says of it.

use abi::durations::Durations;
use abi::who::{Who, WhoKey, WhoRow};

use crate::names::interrupts::{SOFT_IRQ_NAMES, local_irq_name};
use crate::names::text::name_of;
use crate::sample::{Queue, RanInstead, TaskInstead, Waker};
use crate::threads::shares::hold_within;

const MOST_TASKS: usize = 5;
const MOST_QUEUES: usize = 5;
const MOST_WAKERS: usize = 3;

/// `ready_ns` is the sum of the waits that were whole, `short_ns` of those that were too short to be attributed, `blocked_ns` what
/// wakers can have ended; `others` are the wakers for which there was no row.
pub fn attributed(
    rows: Vec<(WhoKey, WhoRow)>,
    ready_ns: u64,
    short_ns: u64,
    blocked_ns: i64,
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
    let short_ns = short_ns.min(ready_ns) as i64;
    let waited_ns = ready_ns as i64 - short_ns;
    hold_within(&mut tasks, waited_ns, |task| &mut task.total_ns);
    hold_within(&mut cpus, waited_ns, |queue| &mut queue.total_ns);
    hold_within(&mut wakers, blocked_ns, |waker| &mut waker.blocked_ns);
    // Of a thread that was found to have been stopped: who let it go on has ended no wait.
    wakers.retain(|waker| waker.blocked_ns > 0);
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
        short_ns,
        unattributed_ns: waited_ns - all_ns,
    };
    (ran_instead, wakers)
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
        who if who == Who::LocalIrq as u32 => ("local irq", local_irq_name(number, &row.comm)),
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

#[cfg(test)]
#[path = "who_tests.rs"]
mod tests;
