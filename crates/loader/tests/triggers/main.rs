//! Windows opened and closed by triggers, on this machine's kernel, as root: each test calls functions of its own that are the
//! triggers, and knows when it did.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod before;
mod calls;
mod deferred_ends;
mod functions;
mod kernel_calls;
mod kinds;
mod leaders;
mod refusals;
#[path = "../support/relay.rs"]
mod relay;
mod storms;
#[path = "../support/stranger.rs"]
mod stranger;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "other tests have use for the rest of it")]
#[path = "../support/truth.rs"]
mod truth;
mod waits;
mod windows;

use std::sync::{Mutex, MutexGuard, PoisonError};

use loader::kernel::own_thread::own_tid;
use loader::options::Options;
use loader::sample::Thread;
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

/// The tests share their process and the functions in it, so each fires the others' triggers too: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(start: Option<&str>, stop: Option<&str>) -> CaptureSession {
    CaptureSession::open(&options(start, stop)).unwrap()
}

fn options(start: Option<&str>, stop: Option<&str>) -> Options {
    Options {
        pids: vec![std::process::id()],
        start_trigger: start.map(str::to_owned),
        stop_trigger: stop.map(str::to_owned),
        ..Options::default()
    }
}

fn own(sample: &Sample) -> &Thread {
    let tid = own_tid();
    sample
        .threads
        .iter()
        .find(|thread| thread.tid == tid)
        .unwrap()
}

fn getppid(times: usize) {
    for _ in 0..times {
        // SAFETY: getppid has no preconditions.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}
