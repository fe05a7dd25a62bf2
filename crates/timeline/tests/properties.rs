//! Random schedules of which everything is known, as somebody else reads their time lines: the truth, to the ns.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod support;

use abi::recorder::Record;
use proptest::prelude::*;
use recorder::event::{Event, What};
use recorder::machine::Machine;
use recorder::order::Order;
use recorder::window::Window;
use support::named::{clocks, timeline};
use support::reader::{Read, State};
use support::records::simulated::{self, CPUS, START_NS, Simulated, TASKS, pid, steps};

fn events(records: &[(u32, Record)]) -> Vec<Event> {
    let mut order = Order::default();
    for cpu in 0..CPUS as u32 {
        let own = records.iter().filter(|(of, _)| *of == cpu);
        let own: Vec<Record> = own.map(|(_, record)| *record).collect();
        order.add(cpu, &own);
    }
    order.take(u64::MAX)
}

fn read(events: &[Event], stop_ns: u64, asleep_ns: u64) -> Read {
    let mut timeline = timeline();
    let silent: Vec<(u32, u32)> = (0..CPUS).map(|cpu| (cpu as u32, pid(cpu))).collect();
    let mut window = Window::new(START_NS, Machine::new(START_NS));
    for &(cpu, pid) in &silent {
        window.ran_all_along(cpu, pid);
    }
    timeline.begin_window(START_NS, &clocks(asleep_ns), &silent);
    window.take_watched(events, |machine, event, ended| {
        timeline.event(machine, event, ended);
    });
    timeline.end_window(window.machine(), stop_ns);
    Read::of(&timeline.into_output().unwrap())
}

/// As a reader has it; `None`: it is told of it later, or never.
fn truth(truth: &Simulated, task: usize, ns: u64) -> Option<State> {
    match truth.at(task, ns) {
        simulated::State::Running | simulated::State::InCall => {
            let mut cpus = 0..CPUS;
            let cpu = cpus.find(|&cpu| truth.turn(cpu, ns) == Some(task));
            Some(State::Running(cpu.unwrap() as u32))
        }
        simulated::State::Ready(_) => Some(State::Runnable),
        simulated::State::Blocked(_) => Some(State::Sleeping),
        simulated::State::Stopped => Some(State::Stopped),
        simulated::State::Unborn(_) => None,
        simulated::State::Dead => Some(State::Dead),
    }
}

fn has_event(events: &[Event], task: usize) -> bool {
    events.iter().any(|event| match event.what {
        What::Switch { prev, next, .. } => prev.pid == pid(task) || next == pid(task),
        What::Waking { woken, .. } => woken == pid(task),
        What::Born { child, .. } => child == pid(task),
        _ => false,
    })
}

proptest! {
    #[test]
    fn every_thread_s_states_are_the_truth(steps in steps(), asleep_ns in prop_oneof![Just(0), Just(7_000_000_000)]) {
        let simulated = Simulated::run(&steps);
        let events = events(&simulated.records);
        let read = read(&events, simulated.stop_ns, asleep_ns);
        prop_assert_eq!(read.asleep_ns, asleep_ns);
        prop_assert_eq!(read.mismatches, 0);
        for task in 0..TASKS {
            let tid = pid(task) as i32;
            let is_told = task < CPUS || has_event(&events, task);
            for ns in START_NS..simulated.stop_ns {
                let truth = truth(&simulated, task, ns).filter(|_| is_told);
                prop_assert_eq!(read.at(tid, ns + asleep_ns), truth, "task {} at {}", task, ns);
            }
            // Before and after the window nobody knows.
            let before = read.at(tid, START_NS + asleep_ns - 2);
            prop_assert_eq!(before, None);
            let after = read.at(tid, simulated.stop_ns + asleep_ns);
            prop_assert!(matches!(after, None | Some(State::Unknown | State::Dead)), "{:?}", after);
        }
    }

    #[test]
    fn what_was_lost_is_unknown_and_the_rest_the_truth(steps in steps(), cpu in 0..CPUS, first in 0usize..40, count in 0usize..20) {
        let simulated = Simulated::run(&steps);
        let own = simulated.records.iter().filter(|(of, _)| *of == cpu as u32);
        let own: Vec<Record> = own.map(|(_, record)| *record).collect();
        prop_assume!(own.len() > 2);
        let first = first % (own.len() - 2);
        let count = 1 + count % (own.len() - first - 1);
        let mut order = Order::default();
        for other in (0..CPUS as u32).filter(|&other| other != cpu as u32) {
            let own = simulated.records.iter().filter(|(of, _)| *of == other);
            let own: Vec<Record> = own.map(|(_, record)| *record).collect();
            order.add(other, &own);
        }
        let from_ns = first.checked_sub(1).map_or(START_NS, |before| own[before].at_ns);
        let until_ns = own[first + count].at_ns;
        order.add(cpu as u32, &own[..first]);
        order.lose(cpu as u32, from_ns, until_ns);
        order.add(cpu as u32, &own[first + count..]);
        let events = order.take(u64::MAX);
        let read = read(&events, simulated.stop_ns, 0);
        prop_assert!(read.bundles_with_losses > 0);
        for task in 0..TASKS {
            for ns in START_NS..simulated.stop_ns {
                let (said, truth) = (read.at(pid(task) as i32, ns), truth(&simulated, task, ns));
                let is_it = matches!(said, None | Some(State::Unknown)) || said == truth;
                prop_assert!(is_it, "task {} at {}: {:?}, not {:?}", task, ns, said, truth);
            }
        }
    }
}
