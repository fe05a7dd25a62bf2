//! One thread that makes every system call that there is, and every one that there is not, again and again; and sleeps after
//! each round.

use serde_json::{Map, json};

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::numbers::{
    call_compat, call_native, call_x32, compat, native, reason_against_compat, x32,
};
use crate::protocol::{Conversation, fields};

const SLEEP_NS: u64 = 100_000;

pub fn run(rounds: u64) -> Result<(), WorkloadError> {
    let native = native();
    let x32 = x32();
    let compat = match reason_against_compat()? {
        None => compat(),
        Some(_) => Vec::new(),
    };
    let made = json!({ "rounds": rounds, "native": native, "ia32": compat, "x32": x32 });
    let mut conversation = Conversation::new("numbers");
    let mut crew = Crew::new();
    crew.add("numbers", None, move |shift| {
        for _ in 0..rounds {
            for &number in &native {
                call_native(number);
            }
            for &number in &compat {
                call_compat(number);
            }
            for &number in &x32 {
                call_x32(number);
            }
            let _ = shift.tally.sleep(SLEEP_NS);
        }
        Map::new()
    })?;
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(workers, fields(made))?;
    conversation.wait_for_end()
}
