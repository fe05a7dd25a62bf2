//! What comes out of random schedules of which everything is known: the truth where nothing was lost; else the truth or "unknown".
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod support;

use std::collections::HashMap;

use abi::recorder::Record;
use proptest::prelude::*;
use recorder::cpu::Turn;
use recorder::event::Event;
use recorder::machine::Machine;
use recorder::order::Order;
use recorder::path::critical_path;
use recorder::task::{TaskId, Waker};
use recorder::tree::Branch;
use recorder::walk::Step;
use recorder::window::{Waits, Window};
use rustc_hash::FxHashMap;
use support::simulated::{CALL, CPUS, START_NS, Simulated, TARGETS, pid, steps};

const UNKNOWN: &str = "?";

fn name(machine: &Machine, step: &Step) -> String {
    let pid = |id: TaskId| machine.task(id).pid;
    match *step {
        Step::Running(id, None, _) => format!("{} runs", pid(id)),
        Step::Running(id, Some(_), _) => format!("{} runs in {CALL}", pid(id)),
        Step::Ready(id, _) => format!("{} ready", pid(id)),
        Step::Blocked(id, ..) => format!("{} blocked", pid(id)),
        Step::Stopped(id, _) => format!("{} stopped", pid(id)),
        Step::Frozen(id, _) => format!("{} frozen", pid(id)),
        Step::Turn(id) => format!("turn of {}", pid(id)),
        Step::IdleTurn => "idle".to_owned(),
        Step::Interrupt(irq) => format!("irq {}", irq.number),
        Step::Unfinished => "unfinished".to_owned(),
        Step::Unknown(..) | Step::UnknownTurn | Step::UnknownWaker => UNKNOWN.to_owned(),
        other => format!("{other:?}"),
    }
}

fn names(machine: &Machine, way: &[Step]) -> Vec<String> {
    way.iter().map(|step| name(machine, step)).collect()
}

/// The records of each CPU, in batches that end wherever they end.
fn events(records: &[(u32, Record)], batches: &[usize]) -> Vec<Event> {
    let mut order = Order::default();
    let mut events = Vec::new();
    let mut left = records;
    let mut sizes = batches.iter().cycle();
    while !left.is_empty() {
        let size = sizes
            .next()
            .map_or(left.len(), |&size| size.min(left.len()));
        let (batch, rest) = left.split_at(size);
        for cpu in 0..CPUS as u32 {
            let own = batch.iter().filter(|(of, _)| *of == cpu);
            let own: Vec<Record> = own.map(|(_, record)| *record).collect();
            order.add(cpu, &own);
        }
        left = rest;
        if let Some((_, next)) = left.first() {
            events.extend(order.take(next.at_ns));
        }
    }
    events.extend(order.take(u64::MAX));
    events
}

fn window(truth: &Simulated, events: &[Event]) -> Window {
    let mut window = Window::new(START_NS, Machine::new(START_NS));
    for cpu in 0..CPUS {
        window.ran_all_along(cpu as u32, pid(cpu));
    }
    window.take(events);
    assert!(events.iter().all(|event| event.at_ns <= truth.stop_ns));
    window
}

fn of<'w>(
    machine: &Machine,
    waits: &'w FxHashMap<TaskId, Waits>,
    task: usize,
) -> Option<&'w Waits> {
    let mut its = waits
        .iter()
        .filter(|(id, _)| machine.task(**id).pid == pid(task));
    its.next().map(|(_, waits)| waits)
}

fn leaves(
    machine: &Machine,
    branches: &[Branch<Step>],
    way: &mut Vec<Step>,
    sums: &mut HashMap<Vec<String>, u64>,
) {
    for branch in branches {
        way.push(branch.link);
        if branch.below.is_empty() {
            *sums.entry(names(machine, way)).or_default() += branch.total_ns;
        }
        leaves(machine, &branch.below, way, sums);
        way.pop();
    }
}

/// Whether it is the truth as far as it says anything. That something runs is one, in whatever call that is.
fn is_true(told: &[String], truth: &[String]) -> bool {
    let known = told.iter().zip(truth).take_while(|(told, truth)| {
        told == truth || truth.strip_prefix(*told) == Some(" in futex")
    });
    let known = known.count();
    told.len() == known && truth.len() == known
        || told.get(known).is_some_and(|step| step.contains(UNKNOWN))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn where_nothing_is_lost_all_of_it_is_the_truth(
        steps in steps(),
        batches in prop::collection::vec(1usize..20, 1..10),
    ) {
        let truth = Simulated::run(&steps);
        let window = window(&truth, &events(&truth.records, &batches));
        prop_assert_eq!(window.machine().contradictions(), 0);
        let (machine, waits) = window.close(truth.stop_ns);
        for task in 0..TARGETS {
            let waits = of(&machine, &waits, task);
            let mut chains = HashMap::new();
            let branches = waits.map_or_else(Vec::new, |waits| waits.chains.branches(&machine));
            leaves(&machine, &branches, &mut Vec::new(), &mut chains);
            prop_assert_eq!(chains, truth.waits(task), "chains of {}", pid(task));

            let mut instead = HashMap::new();
            let mut wakers = HashMap::new();
            if let Some(waits) = waits {
                for (turn, durations) in &waits.instead {
                    let step = match turn {
                        Turn::Task(id) => Step::Turn(*id),
                        Turn::Idle => Step::IdleTurn,
                        Turn::Unseen | Turn::Unknown => Step::UnknownTurn,
                    };
                    instead.insert(name(&machine, &step), durations.total_ns);
                }
                for (waker, durations) in &waits.wakers {
                    let who = match waker {
                        Waker::Task(id, _) => machine.task(*id).pid.to_string(),
                        Waker::Irq(irq) => format!("irq {}", irq.number),
                        Waker::IdleCpu => "idle".to_owned(),
                    };
                    wakers.insert(who, durations.total_ns);
                }
                let queues_ns: u64 = waits.queues.values().sum();
                prop_assert_eq!(queues_ns, instead.values().sum::<u64>());
            }
            prop_assert_eq!(instead, truth.instead(task), "instead of {}", pid(task));
            prop_assert_eq!(wakers, truth.wakers(task), "wakers of {}", pid(task));
        }
    }

    #[test]
    fn a_critical_path_is_the_truth_at_each_instant_and_has_no_gaps(steps in steps()) {
        let truth = Simulated::run(&steps);
        let window = window(&truth, &events(&truth.records, &[]));
        for (id, task) in window.machine().tasks() {
            let number = task.pid - pid(0);
            let mut until_ns = START_NS;
            for segment in critical_path(window.machine(), id, START_NS, truth.stop_ns) {
                prop_assert_eq!(segment.from_ns, until_ns);
                prop_assert!(segment.to_ns > segment.from_ns);
                until_ns = segment.to_ns;
                let told = names(window.machine(), &segment.way);
                for ns in segment.from_ns..segment.to_ns {
                    let mut way = truth.way(number as usize, ns);
                    if let Some(last) = way.last_mut().filter(|last| last.ends_with("dead")) {
                        *last = UNKNOWN.to_owned();
                    }
                    prop_assert_eq!(&told, &way, "{} at {}", pid(number as usize), ns);
                }
            }
            prop_assert_eq!(until_ns, truth.stop_ns);
        }
    }

    #[test]
    fn where_something_is_lost_nothing_is_made_up(
        steps in steps(),
        lost_on in 0..CPUS,
        begin in 0u64..100,
        length in 1u64..80,
    ) {
        let truth = Simulated::run(&steps);
        let (from_ns, until_ns) = (START_NS + begin, START_NS + begin + length);
        let is_lost = |cpu: usize, record: &Record| {
            cpu == lost_on && (from_ns..until_ns).contains(&record.at_ns)
        };
        let mut order = Order::default();
        order.lose(lost_on as u32, from_ns, until_ns);
        for cpu in 0..CPUS {
            let own = truth.records.iter().filter(|(of, record)| {
                *of as usize == cpu && !is_lost(cpu, record)
            });
            let own: Vec<Record> = own.map(|(_, record)| *record).collect();
            order.add(cpu as u32, &own);
        }
        let mut window = Window::new(START_NS, Machine::new(START_NS));
        for cpu in 0..CPUS {
            window.ran_all_along(cpu as u32, pid(cpu));
        }
        window.take(&order.take(u64::MAX));
        for (id, task) in window.machine().tasks() {
            let number = (task.pid - pid(0)) as usize;
            let mut until_ns = START_NS;
            for segment in critical_path(window.machine(), id, START_NS, truth.stop_ns) {
                prop_assert_eq!(segment.from_ns, until_ns);
                until_ns = segment.to_ns;
                let told = names(window.machine(), &segment.way);
                for ns in segment.from_ns..segment.to_ns {
                    let way = truth.way(number, ns);
                    prop_assert!(is_true(&told, &way), "{}: {told:?} is {way:?}", ns);
                }
            }
            prop_assert_eq!(until_ns, truth.stop_ns.max(until_ns));
        }
    }

    /// Each CPU's clock is off by some ns: what is told may be wrong by as much, but it adds up.
    #[test]
    fn clocks_that_disagree_leave_paths_without_gaps(
        steps in steps(),
        skews in prop::collection::vec(0u64..5, CPUS),
        most in 8usize..200,
    ) {
        let truth = Simulated::run(&steps);
        let mut order = Order::default();
        for (cpu, skew_ns) in skews.iter().enumerate() {
            let own = truth.records.iter().filter(|(of, _)| *of as usize == cpu);
            let own: Vec<Record> = own
                .map(|(_, record)| Record { at_ns: record.at_ns + skew_ns, ..*record })
                .collect();
            order.add(cpu as u32, &own);
        }
        let mut window = Window::new(START_NS, Machine::new(START_NS)).remembering(most);
        for event in order.take(u64::MAX) {
            window.take(&[event]);
        }
        let stop_ns = truth.stop_ns + 5;
        for (id, _) in window.machine().tasks() {
            let mut until_ns = START_NS;
            for segment in critical_path(window.machine(), id, START_NS, stop_ns) {
                prop_assert_eq!(segment.from_ns, until_ns);
                prop_assert!(segment.to_ns > segment.from_ns);
                until_ns = segment.to_ns;
            }
            prop_assert_eq!(until_ns, stop_ns);
        }
        let (machine, waits) = window.close(stop_ns);
        for (id, waits) in &waits {
            let wall_ns = stop_ns - START_NS;
            let branches = waits.chains.branches(&machine);
            let told_ns: u64 = branches.iter().map(|branch| branch.total_ns).sum();
            prop_assert!(told_ns <= wall_ns, "{} of {wall_ns} of {:?}", told_ns, machine.task(*id).pid);
            let instead_ns: u64 = waits.instead.values().map(|durations| durations.total_ns).sum();
            prop_assert!(instead_ns <= waits.queues.values().sum());
        }
    }
}
