use abi::durations::Durations;
use abi::who::{Who, WhoKey, WhoRow};
use proptest::prelude::*;

use super::{MOST_QUEUES, MOST_TASKS, MOST_WAKERS, attributed};
use crate::sample::{RanInstead, Waker};
use crate::threads::test_records::who_row;

const NONE: Durations = Durations::EMPTY;

fn described(rows: Vec<(WhoKey, WhoRow)>, ready_ns: u64) -> (RanInstead, Vec<Waker>) {
    attributed(rows, ready_ns, 0, i64::MAX, NONE)
}

#[test]
fn the_longest_are_named_and_the_others_are_a_sum() {
    let most = MOST_TASKS as u32;
    let tasks = (1..=most + 2).map(|pid| who_row(Who::Instead, pid, u64::from(pid) * 10, "other"));
    let queues = (0..most + 2).map(|cpu| who_row(Who::Queue, cpu, u64::from(cpu) * 10, ""));
    let (ran, wakers) = described(tasks.chain(queues).collect(), 1_000);
    let pids: Vec<u32> = ran.tasks.iter().map(|task| task.pid).collect();
    assert_eq!(pids, [7, 6, 5, 4, 3]);
    assert_eq!(ran.other_tasks_ns, 10 + 20);
    assert_eq!((ran.cpus.len(), ran.cpus[0].cpu), (MOST_QUEUES, most + 1));
    assert_eq!((ran.short_ns, ran.unattributed_ns), (0, 1_000 - 280));
    assert!(wakers.is_empty());
}

#[test]
fn short_waits_and_what_nobody_is_known_for_are_apart() {
    let rows = vec![who_row(Who::Instead, 5, 60, "other")];
    let (ran, _) = attributed(rows, 100, 15, 0, NONE);
    assert_eq!((ran.short_ns, ran.unattributed_ns), (15, 25));
    // More than there was to attribute.
    let rows = vec![
        who_row(Who::Instead, 5, 60, "other"),
        who_row(Who::Instead, 6, 70, "other"),
    ];
    let (ran, _) = attributed(rows, 100, 15, 0, NONE);
    let total_ns: i64 = ran.tasks.iter().map(|task| task.total_ns).sum();
    assert_eq!((total_ns, ran.unattributed_ns), (85, 0));
}

#[test]
fn each_kind_of_waker_has_its_name() {
    let by = |who, number, comm: &str| {
        let (_, mut wakers) = described(vec![who_row(who, number, 20, comm)], 0);
        let waker = wakers.remove(0);
        (waker.by, waker.name, waker.pid)
    };
    let named = |by: &str, name: &str, pid| (by.to_owned(), name.to_owned(), pid);
    assert_eq!(by(Who::Task, 5, "shell"), named("task", "shell", 5));
    assert_eq!(by(Who::Task, 0, "swapper/0"), named("idle", "swapper/0", 0));
    assert_eq!(
        by(Who::HardIrq, 30, "nvme0"),
        named("hard irq", "nvme0 (irq 30)", 0)
    );
    assert_eq!(by(Who::HardIrq, 30, ""), named("hard irq", "irq 30", 0));
    assert_eq!(by(Who::SoftIrq, 3, ""), named("soft irq", "net_rx", 0));
    assert_eq!(by(Who::SoftIrq, 11, ""), named("soft irq", "softirq_11", 0));
    assert_eq!(by(Who::LocalIrq, 1, ""), named("local irq", "vector 1", 0));
}

#[test]
fn wakers_without_a_row_are_others() {
    let others = Durations {
        count: 3,
        total_ns: 45,
        max_ns: 30,
    };
    let rows = (1..=MOST_WAKERS as u32 + 1)
        .map(|pid| who_row(Who::Task, pid, u64::from(pid) * 10 + 10, "shell"));
    let (_, wakers) = attributed(rows.collect(), 0, 0, i64::MAX, others);
    let seen: Vec<_> = wakers
        .iter()
        .map(|waker| (waker.by.as_str(), waker.blocked_ns))
        .collect();
    assert_eq!(seen, [("task", 50), ("others", 45), ("task", 40)]);
}

proptest! {
    #[test]
    fn attributed_and_unattributed_are_all_of_it(
        rows in prop::collection::vec((1u32..3, 0u32..30, 0u64..1_000_000), 0..80),
        ready_ns in 0u64..20_000_000,
        short_ns in 0u64..2_000_000,
    ) {
        let rows = rows.into_iter().map(|(who, number, total_ns)| {
            who_row(if who == 1 { Who::Instead } else { Who::Queue }, number, total_ns, "other")
        });
        let (ran, _) = attributed(rows.collect(), ready_ns, short_ns, 0, NONE);
        let tasks_ns: i64 = ran.tasks.iter().map(|task| task.total_ns).sum();
        prop_assert_eq!(tasks_ns + ran.other_tasks_ns + ran.short_ns + ran.unattributed_ns, ready_ns as i64);
        prop_assert!(ran.other_tasks_ns >= 0 && ran.short_ns >= 0 && ran.unattributed_ns >= 0);
        prop_assert!(ran.tasks.len() <= MOST_TASKS && ran.cpus.len() <= MOST_QUEUES);
    }
}
