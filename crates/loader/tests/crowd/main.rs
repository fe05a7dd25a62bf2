//! More busy threads than any machine has CPUs for, alone: beside other tests these would be what those are about.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod instead;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../capture/load.rs"]
mod load;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../support/truth.rs"]
mod truth;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../capture/worker.rs"]
mod worker;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loader::options::AttachMode;
use loader::options::Options;
use loader::session::capture::CaptureSession;

use load::spin;
use support::assert_adds_up;
use worker::Worker;

/// One crowd at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(mode: AttachMode) -> CaptureSession {
    CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        ..Options::default()
    })
    .unwrap()
}

#[test]
fn two_hundred_busy_threads_add_up_and_nothing_is_lost() {
    const THREADS: usize = 200;
    let _alone = alone();
    for mode in [AttachMode::Best, AttachMode::RawTracepoint] {
        let session = open(mode);
        let workers: Vec<Worker> = (0..THREADS)
            .map(|_| {
                Worker::new(|| {
                    for _ in 0..20 {
                        spin(Duration::from_micros(200));
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        session.start(None).unwrap();
        for worker in &workers {
            worker.go.send(()).unwrap();
        }
        for worker in &workers {
            worker.done.recv().unwrap();
        }
        session.stop().unwrap();
        session.wait().unwrap();
        let sample = session.read().unwrap();
        assert_adds_up(&sample);
        let losses = &sample.losses;
        assert_eq!(
            (
                losses.threads_untracked,
                losses.syscalls_untracked,
                losses.negative_intervals
            ),
            (0, 0, 0),
            "{mode:?}"
        );
        for worker in &workers {
            let of_it = |thread: &&loader::sample::Thread| thread.tid == worker.tid;
            let seen = sample.threads.iter().find(of_it).unwrap();
            assert!(seen.run.count > 0 && seen.budget.user_ns > 0, "{seen:?}");
        }
        for worker in workers {
            worker.end();
        }
    }
}
