//! Two threads that hand a futex back and forth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;
use crate::tasks::choose_cpu;

pub fn run(handoffs: u64, cpu: Option<usize>) -> Result<(), WorkloadError> {
    if let Some(cpu) = cpu {
        choose_cpu(Some(cpu))?;
    }
    let turn = Arc::new(AtomicU32::new(0));
    let mut conversation = Conversation::new("handoff");
    let mut crew = Crew::new();
    for (me, name) in [(0, "ping"), (1, "pong")] {
        let turn = Arc::clone(&turn);
        crew.add(name, cpu, move |shift| {
            play(shift.tally, &turn, me, handoffs)
        })?;
    }
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(
        workers,
        fields(json!({ "handoffsOfEach": handoffs, "cpu": cpu })),
    )?;
    conversation.wait_for_end()
}

/// A wait that finds the turn already changed returns at once (`waitsRefused`); how many do depends on the scheduler, so
/// they are counted, not predicted.
fn play(tally: &Tally, turn: &AtomicU32, me: u32, handoffs: u64) -> Map<String, Value> {
    let other = 1 - me;
    let (mut waits_slept, mut waits_refused) = (0_u64, 0_u64);
    for _ in 0..handoffs {
        while turn.load(Ordering::Acquire) != me {
            match tally.futex_wait(turn, other) {
                Ok(_) => waits_slept += 1,
                Err(_) => waits_refused += 1,
            }
        }
        turn.store(other, Ordering::Release);
        let _ = tally.futex_wake(turn, 1);
    }
    fields(json!({
        "waits": waits_slept + waits_refused,
        "waitsSlept": waits_slept,
        "waitsRefused": waits_refused,
        "wakes": handoffs,
    }))
}
