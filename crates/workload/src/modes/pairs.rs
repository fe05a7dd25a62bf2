//! Many threads that mostly sleep, in pairs: of each pair one wakes up again and again, hands a futex over and gets it back.
//!
//! So each round is four switches to a thread, in whatever queue it waits: after the sleep, and with the futex there and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::{Crew, Shift};
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;

const PING: u32 = 0;
const PONG: u32 = 1;
const OVER: u32 = 2;

pub fn run(pairs: u64, duration_ms: u64, pause_us: u64) -> Result<(), WorkloadError> {
    let mut conversation = Conversation::new("pairs");
    let mut crew = Crew::new();
    let pause_ns = pause_us * 1000;
    for pair in 0..pairs {
        let turn = Arc::new(AtomicU32::new(PING));
        let ping_turn = Arc::clone(&turn);
        // Not all at once.
        let first_ns = pause_ns * pair / pairs;
        crew.add(&format!("ping{pair}"), None, move |shift| {
            let until_ns = shift.opened_ns + ms_to_ns(duration_ms);
            serve(shift, &ping_turn, first_ns, pause_ns, until_ns)
        })?;
        crew.add(&format!("pong{pair}"), None, move |shift| {
            answer(shift.tally, &turn)
        })?;
    }
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(workers, fields(json!({ "pauseNs": pause_ns })))?;
    conversation.wait_for_end()
}

fn serve(
    shift: &Shift,
    turn: &AtomicU32,
    first_ns: u64,
    pause_ns: u64,
    until_ns: u64,
) -> Map<String, Value> {
    let mut rounds = 0_u64;
    let _ = shift.tally.sleep(first_ns);
    while monotonic_ns() < until_ns {
        hand_over(shift.tally, turn, PONG);
        wait_for_change(shift.tally, turn, PONG);
        rounds += 1;
        let _ = shift.tally.sleep(pause_ns);
    }
    hand_over(shift.tally, turn, OVER);
    fields(json!({ "rounds": rounds }))
}

fn answer(tally: &Tally, turn: &AtomicU32) -> Map<String, Value> {
    let mut rounds = 0_u64;
    while wait_for_change(tally, turn, PING) != OVER {
        hand_over(tally, turn, PING);
        rounds += 1;
    }
    fields(json!({ "rounds": rounds }))
}

fn hand_over(tally: &Tally, turn: &AtomicU32, next: u32) {
    turn.store(next, Ordering::Release);
    let _ = tally.futex_wake(turn, 1);
}

fn wait_for_change(tally: &Tally, turn: &AtomicU32, from: u32) -> u32 {
    loop {
        let now = turn.load(Ordering::Acquire);
        if now != from {
            return now;
        }
        let _ = tally.futex_wait(turn, from);
    }
}
