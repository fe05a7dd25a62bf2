//! Captures of this very process on this machine's kernel, as root: each test's thread does something whose numbers
//! are known. Both kinds of program are tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod chains;
mod delayed;
mod doctor;
mod events;
mod interrupts;
mod leaders;
mod load;
mod off_cpu;
#[allow(dead_code, reason = "other tests have use for the rest of it")]
#[path = "../../../timeline/tests/support/reader.rs"]
mod reader;
#[path = "../support/relay.rs"]
mod relay;
mod reused_pids;
mod sessions;
#[path = "../support/stranger.rs"]
mod stranger;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod timeline;
#[path = "../support/truth.rs"]
mod truth;
mod who;
mod windows;
mod worker;

use loader::options::AttachMode;
use loader::options::Options;
use loader::sample::{StopReason, Thread};
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use support::assert_adds_up;
use worker::Worker;

const MODES: [AttachMode; 2] = [AttachMode::Best, AttachMode::RawTracepoint];

fn open(mode: AttachMode) -> CaptureSession {
    CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        ..Options::default()
    })
    .unwrap()
}

fn thread(sample: &Sample, tid: u32) -> &Thread {
    let found: Vec<&Thread> = sample
        .threads
        .iter()
        .filter(|thread| thread.tid == tid)
        .collect();
    assert_eq!(found.len(), 1, "one entry for {tid}");
    found[0]
}

fn closed_by_hand(session: &CaptureSession) -> Sample {
    session.stop().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
    session.read().unwrap()
}

/// What a window saw in which the worker did its work.
fn captured(session: &CaptureSession, worker: &Worker) -> Sample {
    session.start(None).unwrap();
    worker.run();
    let sample = closed_by_hand(session);
    assert_adds_up(&sample);
    sample
}
