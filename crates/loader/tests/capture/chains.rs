//! What waits were for, hop by hop: against what the test's threads did themselves.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loader::kernel::own_thread::own_tid;
use loader::sample::{Chain, Thread};
use loader::session::sample::Sample;

use super::load::spin;
use super::support::assert_adds_up;
use super::worker::Worker;
use super::{MODES, closed_by_hand, open, thread};

/// Much longer than anything that nobody asked for takes.
const LONG: Duration = Duration::from_millis(60);

fn long_ns() -> i64 {
    LONG.as_nanos() as i64
}

/// What is below adds up to what is above, all the way; and what is at the top to no more than the thread waited.
fn assert_chains_add_up(thread: &Thread) {
    fn assert_parts(chain: &Chain) {
        let below_ns: i64 = chain.below.iter().map(|below| below.total_ns).sum();
        assert!(
            chain.below.is_empty() || below_ns == chain.total_ns,
            "{chain:?}"
        );
        chain.below.iter().for_each(assert_parts);
    }
    let chains = thread.chains.as_deref().unwrap();
    chains.iter().for_each(assert_parts);
    let told_ns: i64 = chains.iter().map(|chain| chain.total_ns).sum();
    let budget = &thread.budget;
    let waited_ns = budget.ready_woken_ns + budget.ready_preempted_ns + budget.blocked_ns;
    assert_eq!(told_ns, waited_ns, "{thread:?}");
}

/// How long it waited in this way: each step is what somebody did, whose tid it was, and in which call.
fn waited_ns(thread: &Thread, way: &[(&str, u32, Option<&str>)]) -> i64 {
    fn of(chains: &[Chain], way: &[(&str, u32, Option<&str>)]) -> i64 {
        let Some(((what, tid, call), rest)) = way.split_first() else {
            return chains.iter().map(|chain| chain.total_ns).sum();
        };
        let its = chains.iter().filter(|chain| {
            chain.what == *what
                && (*tid == 0 || chain.tid == *tid)
                && call.is_none_or(|call| chain.call.as_deref() == Some(call))
        });
        its.map(|chain| {
            if rest.is_empty() {
                chain.total_ns
            } else {
                of(&chain.below, rest)
            }
        })
        .sum()
    }
    of(thread.chains.as_deref().unwrap(), way)
}

fn assert_mostly(thread: &Thread, way: &[(&str, u32, Option<&str>)], least_ns: i64) {
    let told_ns = waited_ns(thread, way);
    assert!(
        told_ns >= least_ns,
        "{told_ns} of {way:?}: {:#?}",
        thread.chains
    );
}

fn closed(session: &loader::session::capture::CaptureSession) -> Sample {
    let sample = closed_by_hand(session);
    assert_adds_up(&sample);
    sample
}

/// Its thread holds a lock while it does this, and another one waits for it.
fn victim_of(while_held: impl Fn() + Send + Sync + Clone + 'static, check: impl Fn(&Thread, u32)) {
    for mode in MODES {
        let session = open(mode);
        let lock = Arc::new(Mutex::new(()));
        let (say_locked, is_locked) = std::sync::mpsc::channel();
        let holder = Worker::new({
            let (lock, while_held) = (Arc::clone(&lock), while_held.clone());
            move || {
                let held = lock.lock().unwrap();
                say_locked.send(()).unwrap();
                while_held();
                drop(held);
            }
        });
        let victim = Worker::new({
            let lock = Arc::clone(&lock);
            move || drop(lock.lock().unwrap())
        });
        session.start(None).unwrap();
        holder.go.send(()).unwrap();
        is_locked.recv().unwrap();
        victim.run();
        holder.done.recv().unwrap();
        let sample = closed(&session);
        let seen = thread(&sample, victim.tid);
        assert_chains_add_up(seen);
        check(seen, holder.tid);
        victim.end();
        holder.end();
    }
}

#[test]
fn who_sleeps_while_it_holds_a_lock_is_waited_for_in_its_sleep() {
    victim_of(
        || std::thread::sleep(LONG),
        |seen, holder| {
            let asleep = ("blocked", holder, Some("clock_nanosleep"));
            assert_mostly(
                seen,
                &[("blocked", seen.tid, Some("futex")), asleep],
                long_ns() / 2,
            );
            // Its timer.
            let way = [
                ("blocked", seen.tid, Some("futex")),
                asleep,
                ("interrupt", 0, None),
            ];
            assert_mostly(seen, &way, long_ns() / 2);
        },
    );
}

#[test]
fn who_computes_while_it_holds_a_lock_is_waited_for_as_it_runs_and_waits_for_a_cpu() {
    victim_of(
        || spin(LONG),
        |seen, holder| {
            let futex = ("blocked", seen.tid, Some("futex"));
            let told_ns = waited_ns(seen, &[futex, ("running", holder, None)])
                + waited_ns(seen, &[futex, ("ready", holder, None)]);
            assert!(told_ns >= long_ns() / 2, "{:#?}", seen.chains);
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
        assert_chains_add_up(first);
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
        let session = open(mode);
        let parent = Worker::new(|| {
            let status = std::process::Command::new("sleep")
                .arg(format!("{}", LONG.as_secs_f64()))
                .status()
                .unwrap();
            assert!(status.success());
        });
        session.start(None).unwrap();
        parent.run();
        let sample = closed(&session);
        let seen = thread(&sample, parent.tid);
        assert_chains_add_up(seen);
        // Followed, though it is no target: but its calls are not known.
        let ends = |chain: &&Chain| chain.by.as_deref() == Some("exit") && chain.what == "blocked";
        let waits = seen.chains.as_deref().unwrap().iter();
        let asleep_ns: i64 = waits
            .filter(|chain| chain.call.as_deref() == Some("wait4"))
            .flat_map(|chain| chain.below.iter().filter(ends))
            .map(|chain| chain.total_ns)
            .sum();
        assert!(asleep_ns >= long_ns() / 2, "{:#?}", seen.chains);
        parent.end();
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
        assert_chains_add_up(seen);
        let way = [("blocked", seen.tid, Some("read")), ("unfinished", 0, None)];
        assert_mostly(seen, &way, long_ns() / 2);
        // Nor is it in a window in which the thread has no event.
        session.start(None).unwrap();
        std::thread::sleep(LONG);
        let sample = closed(&session);
        let seen = thread(&sample, waiting.tid);
        assert_chains_add_up(seen);
        assert_mostly(seen, &way, long_ns() / 2);
        writer.write_all(&[1]).unwrap();
        waiting.done.recv().unwrap();
        waiting.end();
    }
}
