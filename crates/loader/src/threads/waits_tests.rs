use abi::durations::Durations;
use proptest::prelude::*;
use recorder::cpu::Turn;
use recorder::event::{Event, Irq, IrqKind, TaskName, What};
use recorder::machine::Machine;
use recorder::task::{How, Waker};
use recorder::window::Waits;

use super::{MOST_QUEUES, MOST_TASKS, MOST_WAKERS, ran_instead, woken_by};
use crate::sample::{self, RanInstead};
use crate::threads::recorded_names::{Names, RecordedNames};

fn comm(name: &str) -> [u8; abi::COMM_BYTES] {
    let mut comm = [0; abi::COMM_BYTES];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    comm
}

fn event(what: What) -> Event {
    Event {
        at_ns: 0,
        cpu: 0,
        what,
    }
}

/// Of tasks that are called by their pids, as whose threads they are.
fn machine(pids: impl Iterator<Item = u32>) -> Machine {
    let mut machine = Machine::new(0);
    for pid in pids {
        let name = TaskName {
            tid: pid,
            tgid: pid,
            comm: comm(&format!("task {pid}")),
        };
        machine.apply(&event(What::TaskName { pid, name }));
    }
    machine
}

fn names() -> Names {
    let nvme = Irq {
        kind: IrqKind::Hard,
        number: 30,
    };
    let recorded = RecordedNames {
        irqs: [(nvme, comm("nvme0"))].into(),
        ..RecordedNames::default()
    };
    Names::new(recorded, false, 0)
}

fn once(total_ns: u64) -> Durations {
    let mut durations = Durations::EMPTY;
    durations.add(total_ns);
    durations
}

fn ran(turns: &[(u32, u64)], queues: &[(u32, u64)], ready_ns: i64) -> RanInstead {
    let machine = machine(turns.iter().map(|(pid, _)| *pid));
    let turn = |pid: u32| machine.by_pid(pid).map_or(Turn::Idle, Turn::Task);
    let waits = Waits {
        instead: turns
            .iter()
            .map(|&(pid, ns)| (turn(pid), once(ns)))
            .collect(),
        queues: queues.iter().copied().collect(),
        ..Waits::default()
    };
    ran_instead(&waits, &machine, &names(), ready_ns)
}

#[test]
fn the_longest_are_named_and_the_others_are_a_sum() {
    let most = MOST_TASKS as u32;
    let turns: Vec<_> = (1..=most + 2)
        .map(|pid| (pid, u64::from(pid) * 10))
        .collect();
    let queues: Vec<_> = (0..most + 2)
        .map(|cpu| (cpu, u64::from(cpu) * 10))
        .collect();
    let ran = ran(&turns, &queues, 1_000);
    let pids: Vec<u32> = ran.tasks.iter().map(|task| task.pid).collect();
    assert_eq!(pids, [7, 6, 5, 4, 3]);
    assert_eq!(ran.tasks[0].comm, "task 7");
    assert_eq!(ran.other_tasks_ns, 10 + 20);
    assert_eq!((ran.cpus.len(), ran.cpus[0].cpu), (MOST_QUEUES, most + 1));
    assert_eq!(ran.unattributed_ns, 1_000 - 280);
}

#[test]
fn turns_of_which_nobody_knows_are_unattributed() {
    let waits = Waits {
        instead: [(Turn::Idle, once(60)), (Turn::Unknown, once(30))]
            .into_iter()
            .collect(),
        ..Waits::default()
    };
    let ran = ran_instead(&waits, &machine(std::iter::empty()), &names(), 100);
    assert_eq!(ran.tasks.len(), 1);
    assert_eq!(
        (ran.tasks[0].comm.as_str(), ran.tasks[0].total_ns),
        ("swapper", 60)
    );
    assert_eq!(ran.unattributed_ns, 40);
}

fn by(waker: Waker, machine: &Machine) -> (String, String, u32) {
    let waits = Waits {
        wakers: [(waker, once(20))].into_iter().collect(),
        ..Waits::default()
    };
    let sample::Waker { by, name, pid, .. } = woken_by(&waits, machine, &names(), 100).remove(0);
    (by, name, pid)
}

#[test]
fn each_kind_of_waker_has_its_name() {
    let machine = machine([5].into_iter());
    let irq = |kind, number| Irq { kind, number };
    let named = |by: &str, name: &str, pid| (by.to_owned(), name.to_owned(), pid);
    let shell = Waker::Task(machine.by_pid(5).unwrap(), How::Call(None));
    assert_eq!(by(shell, &machine), named("task", "task 5", 5));
    assert_eq!(by(Waker::IdleCpu, &machine), named("idle", "", 0));
    let of = |kind, number| by(Waker::Irq(irq(kind, number)), &machine);
    assert_eq!(
        of(IrqKind::Hard, 30),
        named("hard irq", "nvme0 (irq 30)", 0)
    );
    assert_eq!(of(IrqKind::Hard, 31), named("hard irq", "irq 31", 0));
    assert_eq!(of(IrqKind::Soft, 3), named("soft irq", "net_rx", 0));
    assert_eq!(of(IrqKind::Soft, 11), named("soft irq", "softirq_11", 0));
    assert_eq!(of(IrqKind::Local, 1), named("local irq", "vector 1", 0));
}

#[test]
fn the_wakers_of_the_longest_sleeps_are_told_and_they_have_ended_no_more_than_there_was() {
    let machine = machine(1..=5);
    let waker = |pid: u32| Waker::Task(machine.by_pid(pid).unwrap(), How::Call(None));
    let waits = Waits {
        wakers: (1..=5)
            .map(|pid| (waker(pid), once(u64::from(pid) * 10)))
            .collect(),
        ..Waits::default()
    };
    let told = |blocked_ns| {
        let wakers = woken_by(&waits, &machine, &names(), blocked_ns);
        wakers
            .iter()
            .map(|waker| waker.blocked_ns)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(1_000), [50, 40, 30]);
    assert_eq!(told(1_000).len(), MOST_WAKERS);
    assert_eq!(told(0), [], "it was found to have been stopped");
}

proptest! {
    #[test]
    fn attributed_and_unattributed_are_all_of_it(
        turns in prop::collection::btree_map(0u32..30, 0u64..1_000_000, 0..30),
        queues in prop::collection::btree_map(0u32..30, 0u64..1_000_000, 0..30),
        ready_ns in 0i64..20_000_000,
    ) {
        let turns: Vec<_> = turns.into_iter().collect();
        let queues: Vec<_> = queues.into_iter().collect();
        let ran = ran(&turns, &queues, ready_ns);
        let tasks_ns: i64 = ran.tasks.iter().map(|task| task.total_ns).sum();
        prop_assert_eq!(tasks_ns + ran.other_tasks_ns + ran.unattributed_ns, ready_ns);
        prop_assert!(ran.other_tasks_ns >= 0 && ran.unattributed_ns >= 0);
        prop_assert!(ran.tasks.iter().all(|task| task.total_ns >= 0));
        prop_assert!(ran.tasks.len() <= MOST_TASKS && ran.cpus.len() <= MOST_QUEUES);
        let queued_ns: i64 = ran.cpus.iter().map(|queue| queue.total_ns).sum();
        prop_assert!(queued_ns <= ready_ns);
    }
}
