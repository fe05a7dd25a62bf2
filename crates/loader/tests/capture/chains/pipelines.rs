//! Processes that wait for each other in a row: what each of them did meanwhile is in their own logs.

use loader::options::{AttachMode, Options};
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use super::processes::{Means, PAUSE, Process, rest, shared, sleep};
use super::told::{
    INTERRUPT, Step, assert_on_path, assert_waited, blocked, by, closed, on_path, seen,
};
use crate::MODES;
use crate::load::spin;
use crate::truth::{Did, LONG, Noted, attempt, long_ns, until_in_call};

/// Who stands where: the last one sleeps, the next computes, and the others pass on what comes.
const SLEEPS: usize = 0;
const COMPUTES: usize = 1;
const MOST: usize = 6;

#[derive(Default)]
struct Log {
    /// What each has done between what it took and what it gave.
    from: [Noted; MOST],
    to: [Noted; MOST],
    given: [Noted; MOST],
}

impl Log {
    fn did(&self, who: usize) -> Did {
        Did {
            from: self.from[who].get(),
            to: self.to[who].get(),
        }
    }
}

struct Ran {
    sample: Sample,
    log: &'static Log,
    pids: Vec<u32>,
    _processes: Vec<Process>,
}

fn run(mode: AttachMode, means: Means, length: usize) -> Ran {
    let log = shared::<Log>();
    let links: Vec<_> = (0..=length).map(|_| means.link()).collect();
    let process = |who: usize| {
        let (before, after) = (links[who], links[who + 1]);
        Process::new(move || {
            assert!(before.take());
            log.from[who].now();
            match who {
                SLEEPS => sleep(LONG),
                COMPUTES => spin(LONG),
                _ => {}
            }
            log.to[who].now();
            after.give();
            log.given[who].now();
            rest();
        })
    };
    let processes: Vec<Process> = (0..length).map(process).collect();
    let pids: Vec<u32> = processes.iter().map(|process| process.pid).collect();
    let session = CaptureSession::open(&Options {
        pids: pids.clone(),
        attach_mode: mode,
        critical_path_of: pids.last().copied(),
        ..Options::default()
    })
    .unwrap();
    for &pid in &pids {
        until_in_call(pid, means.number());
    }
    session.start(None).unwrap();
    links[0].give();
    links[length].await_given();
    until_in_call(pids[length - 1], PAUSE.1);
    Ran {
        sample: closed(&session),
        log,
        pids,
        _processes: processes,
    }
}

/// The waits of whoever stands behind this one, from the first one's on.
fn waits_behind(pids: &[u32], who: usize, call: &'static str) -> Vec<Step<'static>> {
    let behind = pids[who + 1..].iter().rev();
    behind.map(|&pid| ("blocked", pid, Some(call))).collect()
}

/// True: the one that sleeps has slept, and the one that computes has computed, by their own accounts.
fn assert_told(ran: &Ran, means: Means) -> bool {
    let Ran {
        sample, log, pids, ..
    } = ran;
    let last = pids.len() - 1;
    let first = seen(sample, pids[last]);
    let (call, start_ns) = (means.call(), sample.start.at_ns);
    let whole_ns = log.from[last].get().at_ns - start_ns;
    // It has slept since before the window, until the one before it gave.
    let before_ns = log.to[last - 1].get().at_ns - start_ns;
    assert_waited(first, &[blocked(pids[last], call)], before_ns..=whole_ns);

    let way = |who: usize, steps: &[Step<'static>]| {
        let mut way = waits_behind(pids, who, call);
        way.extend_from_slice(steps);
        way
    };
    for (who, &pid) in pids.iter().enumerate().take(last) {
        // All behind it have slept from before it began until it gave, and it was the one that gave.
        let did = log.did(who);
        let most_ns = log.given[who].get().at_ns - start_ns;
        let its = way(who, &[by(pid)]);
        assert_waited(first, &its, did.wall_ns()..=most_ns);
        // And that at its very time.
        assert_on_path(sample, &its, did.from.at_ns, did.to.at_ns);
    }
    // Of its sleep it has slept as much as its account leaves for that, but for interrupts and what a hypervisor takes.
    let (slept, computed) = (log.did(SLEEPS), log.did(COMPUTES));
    let asleep = way(
        SLEEPS,
        &[blocked(pids[SLEEPS], "clock_nanosleep"), INTERRUPT],
    );
    assert_waited(first, &asleep, slept.blocked_ns() / 2..=slept.wall_ns());
    for (from_ns, to_ns) in on_path(sample, &asleep) {
        assert!(slept.from.at_ns <= from_ns && to_ns <= slept.to.at_ns);
    }
    let running = way(COMPUTES, &[("running", pids[COMPUTES], None)]);
    assert_waited(first, &running, computed.ran_ns() / 2..=whole_ns);
    let ready = way(COMPUTES, &[("ready", pids[COMPUTES], None)]);
    assert_waited(first, &ready, computed.ready_ns() / 2..=whole_ns);
    slept.blocked_ns() >= long_ns() / 2 && computed.ran_ns() >= long_ns() / 10
}

fn assert_each_is_told(means: Means, length: usize) {
    for mode in MODES {
        attempt("one sleeps and one computes", || {
            assert_told(&run(mode, means, length), means)
        });
    }
}

#[test]
fn four_processes_over_pipes_are_told_one_behind_the_other() {
    assert_each_is_told(Means::Pipe, 4);
}

#[test]
fn four_processes_over_sockets_are_told_one_behind_the_other() {
    assert_each_is_told(Means::Socket, 4);
}

#[test]
fn four_processes_over_eventfds_are_told_one_behind_the_other() {
    assert_each_is_told(Means::EventFd, 4);
}

#[test]
fn a_chain_of_five_hops_is_told_to_its_end() {
    assert_each_is_told(Means::Pipe, MOST);
}
