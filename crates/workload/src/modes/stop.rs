//! A process that is stopped and continued by a child of its own, which notes the times.
//!
//! A stop interrupts a blocked futex wait, and the kernel begins it anew afterwards: one wait in the code is two calls in
//! the trace. The truth counts it as two.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Map, json};

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::shared_page::{self, Shareable};
use crate::tally::{Call, Tally};
use crate::tasks::states_of_process;

/// What the stopped process and its controller tell each other.
struct Board {
    go: AtomicU32,
    done: AtomicU32,
    /// The one thread that is running, not blocked, when the stop comes.
    spinner_tid: AtomicI32,
    before_stop_ns: AtomicU64,
    seen_stopped_ns: AtomicU64,
    before_continue_ns: AtomicU64,
    after_continue_ns: AtomicU64,
}

// SAFETY: nothing but atomics, for which all zeroes is valid.
unsafe impl Shareable for Board {}

pub fn run(stop_ms: u64) -> Result<(), WorkloadError> {
    let board: &'static Board = shared_page::map()?;
    // SAFETY: set-up; this process still has a single thread.
    let controller = unsafe { Tally::new().fork() }
        .map_err(|error| WorkloadError::system("cannot fork", error))?;
    if controller == 0 {
        control(board, stop_ms);
    }
    let mut conversation = Conversation::new("stop");
    let mut crew = Crew::new();
    let spinner_tid = crew.add("spinner", None, move |_| {
        while board.done.load(Ordering::Acquire) == 0 {
            std::hint::spin_loop();
        }
        Map::new()
    })?;
    board.spinner_tid.store(spinner_tid, Ordering::Release);
    crew.add("blocked", None, move |shift| {
        wait_through_the_stop(shift.tally, board);
        Map::new()
    })?;
    conversation.ready(
        &crew.names(),
        fields(json!({ "controllerPid": controller })),
    )?;
    conversation.wait_for_go()?;
    let tally = &conversation.tally;
    crew.start(tally);
    board.go.store(1, Ordering::Release);
    let _ = tally.futex_wake_shared(&board.go, 1);
    wait_through_the_stop(tally, board);
    let workers = crew.finish(tally);
    let at = |time: &AtomicU64| time.load(Ordering::Acquire);
    conversation.tell(
        workers,
        fields(json!({
            "requestedNs": ms_to_ns(stop_ms),
            "stoppedAtLeastNs": at(&board.before_continue_ns) - at(&board.seen_stopped_ns),
            "stoppedAtMostNs": at(&board.after_continue_ns) - at(&board.before_stop_ns),
            "beforeStopMonotonicNs": at(&board.before_stop_ns).to_string(),
            "afterContinueMonotonicNs": at(&board.after_continue_ns).to_string(),
            "controllerPid": controller,
        })),
    )?;
    conversation.wait_for_end()
}

fn wait_through_the_stop(tally: &Tally, board: &Board) {
    while board.done.load(Ordering::Acquire) == 0 {
        let _ = tally.futex_wait_shared(&board.done, 0);
    }
    // The controller stops only threads that it has seen blocked here, so there was exactly one restart.
    tally.add(Call::Futex, 1);
}

/// The controller's whole life. It ends with its parent.
fn control(board: &'static Board, stop_ms: u64) -> ! {
    let off_record = Tally::new();
    // SAFETY: PR_SET_PDEATHSIG takes a signal number, no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: getppid takes nothing and cannot fail.
    let target = unsafe { libc::getppid() };
    off_record.set_name(c"controller");
    while board.go.load(Ordering::Acquire) == 0 {
        let _ = off_record.futex_wait_shared(&board.go, 0);
    }
    let spinner_tid = board.spinner_tid.load(Ordering::Acquire);
    wait_for_states(target, |tid, state| tid == spinner_tid || state == b'S');
    board
        .before_stop_ns
        .store(monotonic_ns(), Ordering::Release);
    let _ = off_record.kill(target, libc::SIGSTOP);
    wait_for_states(target, |_, state| state == b'T');
    board
        .seen_stopped_ns
        .store(monotonic_ns(), Ordering::Release);
    thread::sleep(Duration::from_millis(stop_ms));
    board
        .before_continue_ns
        .store(monotonic_ns(), Ordering::Release);
    let _ = off_record.kill(target, libc::SIGCONT);
    wait_for_states(target, |_, state| state != b'T');
    // Once more as before the stop, so that each wait has begun anew before it is ended.
    wait_for_states(target, |tid, state| tid == spinner_tid || state == b'S');
    board
        .after_continue_ns
        .store(monotonic_ns(), Ordering::Release);
    board.done.store(1, Ordering::Release);
    let _ = off_record.futex_wake_shared(&board.done, i32::MAX);
    crate::crew::rest(&off_record)
}

/// Looks until every thread of the process is in a state that will do. Gives up when the process is gone.
fn wait_for_states(pid: i32, will_do: impl Fn(i32, u8) -> bool) {
    loop {
        let states = states_of_process(pid);
        if states.iter().all(|(tid, state)| will_do(*tid, *state)) {
            return;
        }
        thread::sleep(Duration::from_micros(200));
    }
}
