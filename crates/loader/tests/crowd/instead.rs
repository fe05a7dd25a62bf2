//! Two hundred threads that compute on two CPUs: who ran instead of each is known, all of it, and how long is what the scheduler accounts for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::channel;

use loader::kernel::own_thread::raise_priority;
use loader::options::AttachMode;
use loader::sample::Thread;
use loader::session::sample::Sample;

use crate::load::pin_to;
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

/// Counts up to `told`, as often as that goes up.
fn compute(told: &AtomicU8, until: u8, stop: &AtomicBool) {
    while told.load(Ordering::Acquire) < until && !stop.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
}

fn spin(mode: AttachMode) -> (Sample, Vec<Spun>) {
    raise_priority();
    let session = open(mode);
    let told = Arc::new(AtomicU8::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let stops = SetOnDrop(&stop);
    let (say, said) = channel();
    let workers: Vec<Worker> = (0..THREADS)
        .map(|number| {
            let (told, stop, say) = (Arc::clone(&told), Arc::clone(&stop), say.clone());
            Worker::new(move || {
                pin_to(CPUS[number % CPUS.len()]);
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
    session.start(None).unwrap();
    told.store(BEGIN, Ordering::Release);
    let from = all();
    // A turn of each.
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

fn assert_is_told(sample: &Sample, spun: &[Spun]) {
    let seen = |tid: u32| -> &Thread {
        let mut threads = sample.threads.iter();
        threads.find(|thread| thread.tid == tid).unwrap()
    };
    let mut unattributed_ns = 0;
    for Spun { tid, cpu, did } in spun {
        let thread = seen(*tid);
        let instead = &thread.ran_instead;
        unattributed_ns += instead.unattributed_ns;
        // Whoever ran instead ran on its CPU: of these threads the others there, and each no longer than it ran at all.
        for task in &instead.tasks {
            let Some(other) = spun.iter().find(|spun| spun.tid == task.tid) else {
                continue;
            };
            assert_eq!(other.cpu, *cpu, "{thread:?}");
            assert_ne!(other.tid, *tid, "{thread:?}");
            let run = &seen(task.tid).run;
            let budget = &seen(task.tid).budget;
            let had_ns = run.total_ns + run.clipped_ns + budget.unknown_ns;
            assert!(task.total_ns <= had_ns, "{task:?} ran {had_ns}: {thread:?}");
        }
        // What the scheduler has accounted for, and what may lie in the window beside that.
        let ready_ns = (thread.ready.total_ns + thread.ready.clipped_ns) as u64;
        let accounted_ns = did.ready_ns();
        let beside_ns = (did.from.at_ns - sample.start.at_ns) + (sample.stop.at_ns - did.to.at_ns);
        // The scheduler's clock is another one than the probes', and it reads it at another place of a switch.
        let apart_ns = accounted_ns / 50;
        assert!(
            (accounted_ns - apart_ns..=accounted_ns + beside_ns + apart_ns).contains(&ready_ns),
            "{ready_ns}, by the account {accounted_ns} and up to {beside_ns}: {thread:?}"
        );
    }
    let ready_ns: i64 = spun.iter().map(|spun| seen(spun.tid).ready.total_ns).sum();
    eprintln!("{unattributed_ns} ns of {ready_ns} ready are nobody's");
    assert_eq!(unattributed_ns, 0);
}

#[test]
fn who_ran_instead_of_two_hundred_busy_threads_is_known_of_all_their_time() {
    /// The kernel may hide switches from whoever traces.
    const ATTEMPTS: usize = 5;
    let _alone = alone();
    for mode in [AttachMode::Best, AttachMode::RawTracepoint] {
        let is_all_known = (0..ATTEMPTS).any(|_| {
            let (sample, spun) = spin(mode);
            assert_adds_up(&sample);
            let losses = &sample.losses;
            let is_known = losses.switches_missed == 0
                && losses.recursion_misses.unwrap_or(0) == 0
                && losses.recorder_overwritten == 0;
            if is_known {
                assert_is_told(&sample, &spun);
            }
            is_known
        });
        assert!(is_all_known, "{mode:?}");
    }
}
