//! A thread that sleeps, and that the scheduler keeps in its queue all the same: since Linux 6.12 one that has had more than its share is
//! (`sched_delayed`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::load::{pin_to, spin_on};
use super::support::{SetOnDrop, assert_adds_up};
use super::truth::{own_run_ns, ready_ns_of, until};
use super::worker::Worker;
use super::{MODES, closed_by_hand, open, thread};

fn be_nice() {
    // SAFETY: no addresses. In Linux it is the thread's.
    assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) }, 0);
}

/// Its waking is its first event in the window. What it slept before is no wait for a CPU.
#[test]
fn a_sleeper_that_is_kept_in_its_queue_is_not_ready() {
    const SLEEP: Duration = Duration::from_millis(20);
    // What the scheduler counts from when it is in the queue again, we count from its waking.
    const DIFFERENCE_NS: u64 = SLEEP.as_nanos() as u64 / 4;
    let cpu = std::thread::available_parallelism().unwrap().get() - 1;
    for mode in MODES {
        let stop = Arc::new(AtomicBool::new(false));
        let _stop = SetOnDrop(&stop);
        let rival = Worker::new({
            let stop = Arc::clone(&stop);
            move || spin_on(cpu, &stop)
        });
        rival.go.send(()).unwrap();
        let session = open(mode);
        for _ in 0..5 {
            let is_about_to = Arc::new(AtomicBool::new(false));
            let sleeper = Worker::new({
                let is_about_to = Arc::clone(&is_about_to);
                move || {
                    pin_to(cpu);
                    // Of the least weight, what it has had is so much more than its share that it stays in the queue for longer than it
                    // sleeps.
                    be_nice();
                    let begun_ns = own_run_ns();
                    while own_run_ns() < begun_ns + 2_000_000 {}
                    is_about_to.store(true, Ordering::Release);
                    std::thread::sleep(SLEEP);
                }
            });
            sleeper.go.send(()).unwrap();
            until("it is about to sleep", || {
                is_about_to.load(Ordering::Acquire)
            });
            let before_ns = ready_ns_of(sleeper.tid);
            session.start(None).unwrap();
            sleeper.done.recv().unwrap();
            let sample = closed_by_hand(&session);
            let ready_ns = ready_ns_of(sleeper.tid) - before_ns;
            assert_adds_up(&sample);
            let budget = &thread(&sample, sleeper.tid).budget;
            let told_ns = (budget.ready_woken_ns + budget.ready_preempted_ns) as u64;
            assert!(
                told_ns <= ready_ns + DIFFERENCE_NS,
                "{mode:?}: {told_ns} of {ready_ns}: {budget:?}"
            );
            sleeper.end();
        }
        stop.store(true, Ordering::Release);
        rival.done.recv().unwrap();
        rival.end();
    }
}
