//! Two hundred threads that compute on two CPUs: who ran instead of each is known, all of it, and how long is what the scheduler accounts for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use loader::options::AttachMode;
use loader::sample::Thread;
use loader::session::sample::Sample;

use crate::load::{pin_to, spin as spin_for};
use crate::support::{SetOnDrop, assert_adds_up};
use crate::truth::{Account, Did};
use crate::worker::Worker;
use crate::{alone, open};

const THREADS: usize = 200;
const CPUS: [usize; 2] = [0, 1];

/// What the threads are told.
const BEGIN: u8 = 1;
const END: u8 = 2;

/// Each takes its account twice, inside the window: whatever wait ends between the two began after the first.
struct Spun {
    tid: u32,
    cpu: u32,
    did: Did,
}

/// Until it is told that. Never asleep; but it gives its turn up, or each of so many would wait for a second.
fn compute(told: &AtomicU8, until: u8, stop: &AtomicBool) {
    while told.load(Ordering::Acquire) < until && !stop.load(Ordering::Acquire) {
        spin_for(Duration::from_micros(200));
        std::thread::yield_now();
    }
}

/// However little the test itself was given: the crowd is to be in each other's way, for as short a time as that takes.
fn be_ordinary(niceness: libc::c_int) {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are as large as they are said to be; 0 stands for the calling thread.
    let results = unsafe {
        [
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters),
            libc::setpriority(libc::PRIO_PROCESS, 0, niceness),
        ]
    };
    assert_eq!(results, [0, 0]);
}

fn spin(mode: AttachMode) -> (Sample, Vec<Spun>) {
    be_ordinary(-20);
    let session = open(mode);
    let told = Arc::new(AtomicU8::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    // Before the threads are waited for; and if anything fails.
    let stops = SetOnDrop(&stop);
    let (say, said) = channel();
    let workers: Vec<Worker> = (0..THREADS)
        .map(|number| {
            let (told, stop, say) = (Arc::clone(&told), Arc::clone(&stop), say.clone());
            Worker::new(move || {
                be_ordinary(0);
                pin_to(CPUS[number % CPUS.len()]);
                say.send((number, Account::now())).unwrap();
                compute(&told, BEGIN, &stop);
                let from = Account::now();
                say.send((number, from)).unwrap();
                compute(&told, END, &stop);
                say.send((number, Account::now())).unwrap();
                compute(&told, u8::MAX, &stop);
            })
        })
        .collect();
    for worker in &workers {
        worker.go.send(()).unwrap();
    }
    let all = || {
        let mut accounts = vec![Account::default(); THREADS];
        for _ in 0..THREADS {
            let (number, account) = said.recv().unwrap();
            accounts[number] = account;
        }
        accounts
    };
    // Each is on its CPU before the window begins.
    all();
    session.start(None).unwrap();
    told.store(BEGIN, Ordering::Release);
    let from = all();
    told.store(END, Ordering::Release);
    let to = all();
    session.stop().unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    drop(stops);
    let spun = |(number, worker): (usize, &Worker)| Spun {
        tid: worker.tid,
        cpu: CPUS[number % CPUS.len()] as u32,
        did: Did {
            from: from[number],
            to: to[number],
        },
    };
    let spun = workers.iter().enumerate().map(spun).collect();
    workers.into_iter().for_each(Worker::end);
    (sample, spun)
}

fn seen(sample: &Sample, tid: u32) -> &Thread {
    let mut threads = sample.threads.iter();
    threads.find(|thread| thread.tid == tid).unwrap()
}

/// Whoever ran instead ran on its CPU: of these threads the others there, and each no longer than it ran at all.
fn is_of_its_cpu(sample: &Sample, spun: &[Spun], of: &Spun) -> bool {
    let instead = &seen(sample, of.tid).ran_instead;
    instead.tasks.iter().all(|task| {
        let Some(other) = spun.iter().find(|spun| spun.tid == task.tid) else {
            return true;
        };
        let Thread { run, budget, .. } = seen(sample, task.tid);
        let had_ns = run.total_ns + run.clipped_ns + budget.unknown_ns;
        other.cpu == of.cpu && other.tid != of.tid && task.total_ns <= had_ns
    })
}

/// What the scheduler has accounted for, and what may lie in the window beside that.
fn is_as_accounted(sample: &Sample, Spun { tid, did, .. }: &Spun) -> bool {
    let ready = &seen(sample, *tid).ready;
    let ready_ns = (ready.total_ns + ready.clipped_ns) as u64;
    let accounted_ns = did.ready_ns();
    let beside_ns = (did.from.at_ns - sample.start.at_ns) + (sample.stop.at_ns - did.to.at_ns);
    // The scheduler's clock is another one than the probes', and it reads it at another place of a switch; and it accounts for who was
    // woken from when that one is in a queue, which another CPU may have to put it into.
    let apart_ns = accounted_ns / 50;
    let most_ns = accounted_ns + beside_ns + apart_ns + ready.woken.total_ns as u64;
    (accounted_ns - apart_ns..=most_ns).contains(&ready_ns)
}

/// The CPUs of which all was told: whose threads' waits are somebody's to the last ns.
fn told_cpus(mode: AttachMode) -> Vec<usize> {
    let (sample, spun) = spin(mode);
    assert_adds_up(&sample);
    let losses = &sample.losses;
    // A switch that the kernel hides (docs/limitations.md) may falsify what is said of its thread.
    let hidden = losses.switches_missed + losses.recursion_misses.unwrap_or(0);
    let is_true = |of: &&Spun| is_of_its_cpu(&sample, &spun, of) && is_as_accounted(&sample, of);
    let falsified: Vec<_> = spun.iter().filter(|of| !is_true(of)).collect();
    let told = |of: &&Spun| (of.did, seen(&sample, of.tid).clone());
    assert!(
        falsified.len() as i64 <= hidden,
        "{:#?}",
        falsified.iter().map(told).collect::<Vec<_>>()
    );
    let on = |cpu: usize| spun.iter().filter(move |spun| spun.cpu == cpu as u32);
    let sum = |cpu: usize, part: fn(&Thread) -> i64| -> i64 {
        on(cpu).map(|spun| part(seen(&sample, spun.tid))).sum()
    };
    let is_told = |&cpu: &usize| {
        let ready_ns = sum(cpu, |thread| thread.ready.total_ns);
        let unattributed_ns = sum(cpu, |thread| thread.ran_instead.unattributed_ns);
        eprintln!(
            "{mode:?}, CPU {cpu}: {unattributed_ns} of {ready_ns} ns ready are nobody's; {hidden} switches hidden, {} records unread",
            losses.recorder_overwritten
        );
        ready_ns > 0 && unattributed_ns == 0
    };
    CPUS.into_iter().filter(is_told).collect()
}

/// A kernel that hides switches may hide those of any task, whose turn then nobody knows for all that waited there, be that a target or not:
/// that is no fault, but there is to be a window in which it does not come to one of the CPUs.
#[test]
fn who_ran_instead_of_two_hundred_busy_threads_is_known_of_all_their_time() {
    const ATTEMPTS: usize = 20;
    let _alone = alone();
    for mode in [AttachMode::Best, AttachMode::RawTracepoint] {
        assert!(
            (0..ATTEMPTS).any(|_| !told_cpus(mode).is_empty()),
            "{mode:?}"
        );
    }
}
