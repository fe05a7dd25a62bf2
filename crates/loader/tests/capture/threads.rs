//! Threads that come, go and take names; more of them than there is room for.

use std::collections::HashSet;

use loader::kernel::own_thread::own_tid;
use loader::options::AttachMode;
use loader::options::Options;
use loader::sample::Thread;
use loader::session::capture::CaptureSession;

use super::support::{assert_adds_up, assert_count, count};
use super::worker::Worker;
use super::{MODES, closed_by_hand, open, thread};

#[test]
fn threads_that_end_keep_their_name_and_numbers() {
    let session = open(AttachMode::Best);
    session.start(None).unwrap();
    let tids: Vec<u32> = (0..50)
        .map(|index| {
            let thread = std::thread::Builder::new()
                .name(format!("shortlived{index}"))
                .spawn(|| {
                    // SAFETY: getppid has no preconditions.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                    own_tid()
                });
            thread.unwrap().join().unwrap()
        })
        .collect();
    let sample = closed_by_hand(&session);
    for (index, tid) in tids.into_iter().enumerate() {
        let name = format!("shortlived{index}");
        let thread = sample
            .threads
            .iter()
            .find(|thread| thread.tid == tid && thread.comm == name);
        let thread = thread.unwrap_or_else(|| panic!("{name} is not in the sample"));
        assert_count(&sample, thread, "getppid", 1, "ended");
        assert!(thread.budget.wall_ns > 0 && thread.budget.unknown_ns == 0);
    }
    assert_adds_up(&sample);
}

#[test]
fn a_name_given_by_a_sibling_counts_as_a_name_taken_does() {
    for mode in MODES {
        let living = Worker::new(|| {});
        let ending = Worker::new(|| {});
        let session = open(mode);
        session.start(None).unwrap();
        living.run();
        ending.run();
        for (worker, name) in [(&living, "named-living"), (&ending, "named-ending")] {
            std::fs::write(format!("/proc/self/task/{}/comm", worker.tid), name).unwrap();
        }
        let ended = ending.tid;
        ending.end();
        let sample = closed_by_hand(&session);
        assert_eq!(thread(&sample, living.tid).comm, "named-living", "{mode:?}");
        assert_eq!(thread(&sample, ended).comm, "named-ending", "{mode:?}");
        living.end();
    }
}

/// Of the threads of this process, as long as /proc has them.
fn any_is_named(prefix: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    tasks.filter_map(name).any(|name| name.starts_with(prefix))
}

#[test]
fn a_window_sees_more_threads_come_and_go_than_it_has_records() {
    const THREADS: usize = 4000;
    for mode in MODES {
        let session = CaptureSession::open(&Options {
            pids: vec![std::process::id()],
            attach_mode: mode,
            ..Options::default()
        })
        .unwrap();
        session.start(None).unwrap();
        for index in 0..THREADS {
            let thread = std::thread::Builder::new()
                .name(format!("many{index}"))
                .spawn(|| {
                    // SAFETY: getppid has no preconditions.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                });
            thread.unwrap().join().unwrap();
        }
        // `join` returns a moment before a thread says that it exits.
        while any_is_named("many") {
            std::thread::yield_now();
        }
        let sample = closed_by_hand(&session);
        assert_eq!(sample.losses.threads_untracked, 0, "{mode:?}");
        assert_eq!(sample.losses.syscalls_untracked, 0, "{mode:?}");
        let many: Vec<&Thread> = sample
            .threads
            .iter()
            .filter(|thread| thread.comm.starts_with("many"))
            .collect();
        // Since 7.0 a program may be preempted, and then the kernel skips it for others on that CPU, and counts that: a thread
        // whose naming was skipped is one of another name.
        let skipped = sample.losses.recursion_misses.unwrap_or(0);
        let names: HashSet<&str> = many.iter().map(|thread| thread.comm.as_str()).collect();
        assert_eq!(names.len(), many.len(), "{mode:?}");
        let unnamed = (THREADS - many.len()) as i64;
        assert!(unnamed <= skipped, "{mode:?}: {unnamed}, {skipped} skipped");
        let alive = many.iter().filter(|thread| !thread.exited).count() as i64;
        assert!(alive <= skipped, "{mode:?}: {alive}, {skipped} skipped");
        let missed = many.iter().filter(|thread| count(thread, "getppid") != 1);
        assert!(
            missed.count() as i64 <= skipped,
            "{mode:?}: {skipped} skipped"
        );
        assert_adds_up(&sample);
    }
}

#[test]
fn a_full_table_is_counted_and_never_made_up() {
    let options = Options {
        pids: vec![std::process::id()],
        thread_capacity: Some(1),
        ..Options::default()
    };
    let session = CaptureSession::open(&options).unwrap();
    let call = || {
        // SAFETY: getppid has no preconditions.
        unsafe { libc::syscall(libc::SYS_getppid) };
    };
    let workers = [Worker::new(call), Worker::new(call), Worker::new(call)];
    session.start(None).unwrap();
    for _ in 0..5 {
        std::thread::spawn(|| {}).join().unwrap();
    }
    workers.iter().for_each(Worker::run);
    let sample = closed_by_hand(&session);
    assert!(sample.losses.threads_untracked > 0);
    // They sleep as they are looked at, and did something else before that.
    let unknown = workers.iter().filter(|worker| {
        let budget = &thread(&sample, worker.tid).budget;
        budget.unknown_ns == budget.wall_ns
    });
    assert!(unknown.count() >= 2, "{:#?}", sample.threads);
    workers.into_iter().for_each(Worker::end);
}
