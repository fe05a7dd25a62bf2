//! What waits were for, hop by hop: against what the test's threads did themselves.

mod edges;
mod ends;
mod locks;
mod pipelines;
mod processes;
mod signals;
mod told;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loader::kernel::own_thread::own_tid;
use loader::options::AttachMode;
use loader::sample::{Chain, Thread};

use super::load::spin;
use super::truth::{Did, attempt, is_unknown};
use super::worker::Worker;
use super::{MODES, open, thread};
use told::{Step, assert_chains_add_up, closed, waited_ns};

/// Much longer than anything that nobody asked for takes.
const LONG: Duration = Duration::from_millis(60);

fn long_ns() -> i64 {
    LONG.as_nanos() as i64
}

fn assert_mostly(thread: &Thread, way: &[Step], least_ns: i64) {
    let told_ns = waited_ns(thread, way);
    assert!(
        told_ns >= least_ns,
        "{told_ns} of {way:?}: {:#?}",
        thread.chains
    );
}

/// What is said of a thread that waits for a lock, whose holder does this meanwhile, and the holder's tid.
fn victim_of(mode: AttachMode, while_held: fn()) -> (Thread, u32) {
    let session = open(mode);
    let lock = Arc::new(Mutex::new(()));
    let (say_locked, is_locked) = std::sync::mpsc::channel();
    let holder = Worker::new({
        let lock = Arc::clone(&lock);
        move || {
            let held = lock.lock().unwrap();
            say_locked.send(()).unwrap();
            while_held();
            drop(held);
        }
    });
    let victim = Worker::new(move || drop(lock.lock().unwrap()));
    session.start(None).unwrap();
    holder.go.send(()).unwrap();
    is_locked.recv().unwrap();
    victim.run();
    holder.done.recv().unwrap();
    let sample = closed(&session);
    let seen = thread(&sample, victim.tid).clone();
    assert_chains_add_up(&sample, &seen);
    let holder_tid = holder.tid;
    victim.end();
    holder.end();
    (seen, holder_tid)
}

/// Most of its wait for the lock is what the holder is said to have done. Beside a load it may come to the lock when that is free again.
fn assert_victim_of(while_held: fn(), told_ns: impl Fn(&Thread, Step, u32) -> i64) {
    const ATTEMPTS: usize = 10;
    for mode in MODES {
        let has_waited = (0..ATTEMPTS).any(|_| {
            let (seen, holder) = victim_of(mode, while_held);
            let lock = ("blocked", seen.tid, Some("futex"));
            let waited_ns = waited_ns(&seen, &[lock]);
            if waited_ns < long_ns() / 2 {
                return false;
            }
            let told_ns = told_ns(&seen, lock, holder);
            assert!(
                told_ns > waited_ns / 2,
                "{told_ns} of {waited_ns}: {:#?}",
                seen.chains
            );
            true
        });
        assert!(has_waited, "{mode:?}");
    }
}

#[test]
fn who_sleeps_while_it_holds_a_lock_is_waited_for_in_its_sleep() {
    assert_victim_of(
        || std::thread::sleep(LONG),
        // Its timer.
        |seen, lock, holder| {
            let asleep = ("blocked", holder, Some("clock_nanosleep"));
            waited_ns(seen, &[lock, asleep, ("interrupt", 0, None)])
        },
    );
}

#[test]
fn who_computes_while_it_holds_a_lock_is_waited_for_as_it_runs_and_waits_for_a_cpu() {
    assert_victim_of(
        || spin(LONG),
        |seen, lock, holder| {
            waited_ns(seen, &[lock, ("running", holder, None)])
                + waited_ns(seen, &[lock, ("ready", holder, None)])
        },
    );
}

#[test]
fn five_hops_are_told_one_behind_the_other() {
    for mode in MODES {
        let session = open(mode);
        // Each waits for a byte of the one behind it; the last one sleeps before it writes.
        let (mut writer, mut reader) = {
            let (reader, writer) = std::io::pipe().unwrap();
            (writer, reader)
        };
        let mut hops = vec![Worker::new(move || {
            std::thread::sleep(LONG);
            writer.write_all(&[1]).unwrap();
        })];
        for _ in 0..4 {
            let (next_reader, mut writer) = std::io::pipe().unwrap();
            let mut own = std::mem::replace(&mut reader, next_reader);
            hops.push(Worker::new(move || {
                own.read_exact(&mut [0]).unwrap();
                writer.write_all(&[1]).unwrap();
            }));
        }
        hops.push(Worker::new(move || reader.read_exact(&mut [0]).unwrap()));
        session.start(None).unwrap();
        // Those that wait first, so that they wait for as long as the last one sleeps.
        for hop in hops.iter().rev() {
            hop.go.send(()).unwrap();
        }
        for hop in &hops {
            hop.done.recv().unwrap();
        }
        let sample = closed(&session);
        let first = thread(&sample, hops[5].tid);
        assert_chains_add_up(&sample, first);
        let mut way: Vec<_> = (1..=5)
            .rev()
            .map(|hop| ("blocked", hops[hop].tid, Some("read")))
            .collect();
        way.push(("blocked", hops[0].tid, Some("clock_nanosleep")));
        assert_mostly(first, &way, long_ns() / 2);
        hops.into_iter().for_each(Worker::end);
    }
}

#[test]
fn who_waits_for_a_child_waits_for_what_the_child_does_until_it_ends() {
    for mode in MODES {
        attempt("a parent waits", || {
            let session = open(mode);
            let (say_did, did) = std::sync::mpsc::channel();
            let parent = Worker::new(move || {
                let did = Did::of(|| {
                    let status = std::process::Command::new("sleep")
                        .arg(format!("{}", LONG.as_secs_f64()))
                        .status()
                        .unwrap();
                    assert!(status.success());
                });
                say_did.send(did).unwrap();
            });
            session.start(None).unwrap();
            parent.run();
            let sample = closed(&session);
            let seen = thread(&sample, parent.tid);
            assert_chains_add_up(&sample, seen);
            parent.end();
            // Followed, though it is no target: but its calls are not known.
            let ends =
                |chain: &&Chain| chain.by.as_deref() == Some("exit") && chain.what == "blocked";
            let waits = seen.chains.as_deref().unwrap().iter();
            let asleep_ns: i64 = waits
                .filter(|chain| chain.call.as_deref() == Some("wait4"))
                .flat_map(|chain| chain.below.iter().filter(ends))
                .map(|chain| chain.total_ns)
                .sum();
            // It may come to its wait when the child has slept for long.
            let has_waited = did.recv().unwrap().blocked_ns() as i64 >= long_ns() * 3 / 4;
            assert!(
                asleep_ns >= long_ns() / 2 || is_unknown() || !has_waited,
                "{:#?}",
                seen.chains
            );
            has_waited
        });
    }
}

#[test]
fn a_wait_that_is_not_over_says_so() {
    for mode in MODES {
        let session = open(mode);
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let (say_tid, tid) = std::sync::mpsc::channel();
        let waiting = Worker::new(move || {
            say_tid.send(own_tid()).unwrap();
            reader.read_exact(&mut [0]).unwrap();
        });
        session.start(None).unwrap();
        waiting.go.send(()).unwrap();
        tid.recv().unwrap();
        std::thread::sleep(LONG);
        let sample = closed(&session);
        let seen = thread(&sample, waiting.tid);
        assert_chains_add_up(&sample, seen);
        let way = [("blocked", seen.tid, Some("read")), ("unfinished", 0, None)];
        assert_mostly(seen, &way, long_ns() / 2);
        // Nor is it in a window in which the thread has no event.
        session.start(None).unwrap();
        std::thread::sleep(LONG);
        let sample = closed(&session);
        let seen = thread(&sample, waiting.tid);
        assert_chains_add_up(&sample, seen);
        assert_mostly(seen, &way, long_ns() / 2);
        writer.write_all(&[1]).unwrap();
        waiting.done.recv().unwrap();
        waiting.end();
    }
}
