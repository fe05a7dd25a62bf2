//! From what a thread's waits were for, as it was recorded, to what a sample says of it.

use recorder::machine::Machine;
use recorder::task::{How, Place, TaskId};
use recorder::tree::Branch;
use recorder::walk::{Role, Step};

use crate::names::syscalls;
use crate::sample::{Chain, Thread};
use crate::threads::recorded_names::Names;
use crate::threads::shares::hold_within;

/// Below each place so many are told apart, and no more of them than are a hundredth of all.
const MOST_BELOW: usize = 8;
const LEAST_SHARE: u64 = 100;

/// The longest first. Together no more than the thread has waited: where the kernel has not reported a switch, its record and the
/// recorder's may differ in what is unknown.
pub fn chains(
    branches: &[Branch<Step>],
    machine: &Machine,
    names: &Names,
    waited_ns: i64,
) -> Vec<Chain> {
    let all_ns: u64 = branches.iter().map(|branch| branch.total_ns).sum();
    let mut chains = told(branches, all_ns / LEAST_SHARE, machine, names);
    hold(&mut chains, waited_ns);
    chains.retain(|chain| chain.total_ns > 0);
    chains
}

/// Of a thread without any event in the window: if it was blocked, it is so still.
pub fn of_one_without_events(thread: &Thread) -> Vec<Chain> {
    let blocked_ns = thread.budget.blocked_ns;
    if blocked_ns == 0 {
        return Vec::new();
    }
    let unfinished = Chain {
        what: "unfinished".to_owned(),
        count: 1,
        total_ns: blocked_ns,
        ..Chain::default()
    };
    let in_it = thread.syscalls.iter().find(|call| call.blocked_ns > 0);
    vec![Chain {
        what: "blocked".to_owned(),
        call: in_it.map(|call| call.name()),
        pid: thread.pid,
        tid: thread.tid,
        name: thread.comm.clone(),
        count: 1,
        total_ns: blocked_ns,
        below: vec![unfinished],
        ..Chain::default()
    }]
}

/// Each place adds up still.
fn hold(chains: &mut [Chain], whole_ns: i64) {
    hold_within(chains, whole_ns, |chain| &mut chain.total_ns);
    for chain in chains {
        hold(&mut chain.below, chain.total_ns);
    }
}

fn told(branches: &[Branch<Step>], least_ns: u64, machine: &Machine, names: &Names) -> Vec<Chain> {
    let is_told = |(index, branch): (usize, &Branch<Step>)| {
        index < MOST_BELOW && branch.total_ns >= least_ns && branch.link != Step::Others
    };
    let mut chains = Vec::new();
    let mut others = Chain {
        what: "others".to_owned(),
        ..Chain::default()
    };
    for (index, branch) in branches.iter().enumerate() {
        if is_told((index, branch)) {
            chains.push(Chain {
                count: branch.count as i64,
                total_ns: branch.total_ns as i64,
                below: told(&branch.below, least_ns, machine, names),
                ..step(branch.link, machine, names)
            });
        } else {
            others.count += branch.count as i64;
            others.total_ns += branch.total_ns as i64;
        }
    }
    if others.total_ns > 0 {
        chains.push(others);
    }
    chains
}

/// Without what is below it.
pub fn step(step: Step, machine: &Machine, names: &Names) -> Chain {
    let of = |what: &str, id: TaskId, role: Role| task(what, id, role, machine, names);
    let only = |what: &str| Chain {
        what: what.to_owned(),
        ..Chain::default()
    };
    match step {
        Step::Running(id, call, role) => Chain {
            call: call.map(syscalls::name),
            ..of("running", id, role)
        },
        Step::Ready(id, role) => of("ready", id, role),
        Step::Stopped(id, role) => of("stopped", id, role),
        Step::Frozen(id, role) => of("frozen", id, role),
        Step::Unknown(id, role) => of("unknown", id, role),
        Step::Blocked(id, place, role) => Chain {
            call: match place {
                Place::Call(call) => Some(syscalls::name(call)),
                Place::Nowhere | Place::SinceBefore => None,
            },
            ..of("blocked", id, role)
        },
        Step::Turn(id) => Chain {
            by: None,
            by_call: None,
            ..of("turn", id, Role::Own)
        },
        Step::IdleTurn => only("idle"),
        Step::Interrupt(irq) => Chain {
            name: names.irq(irq).1,
            ..only("interrupt")
        },
        Step::IdleCpu => only("interrupt"),
        Step::Unfinished => only("unfinished"),
        Step::UnknownWaker | Step::UnknownTurn | Step::TooFar | Step::TooMany => only("unknown"),
        Step::Others => only("others"),
    }
}

fn task(what: &str, id: TaskId, role: Role, machine: &Machine, names: &Names) -> Chain {
    let named = names.of(machine.task(id));
    let by = match role {
        Role::Own => None,
        Role::Waker(How::Call(_)) => Some("waker"),
        Role::Waker(How::Exit) => Some("exit"),
        Role::Parent => Some("parent"),
    };
    let by_call = match role {
        Role::Waker(How::Call(call)) => call.map(syscalls::name),
        _ => None,
    };
    Chain {
        what: what.to_owned(),
        pid: named.pid,
        tid: named.tid,
        name: named.comm,
        by: by.map(str::to_owned),
        by_call,
        ..Chain::default()
    }
}
