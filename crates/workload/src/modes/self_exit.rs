//! A process that ends by itself while threads of it are blocked. The truth comes just before the end; there is no
//! waiting for `end`.

use serde_json::{Map, json};

use crate::clock::ms_to_ns;
use crate::crew::{Crew, rest};
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::exit_process;

pub fn run(after_ms: u64) -> Result<(), WorkloadError> {
    let mut conversation = Conversation::new("selfexit");
    let mut crew = Crew::new();
    for name in ["blocked-a", "blocked-b"] {
        crew.add(name, None, |shift| rest(shift.tally))?;
    }
    conversation.ready(&crew.names(), Map::new())?;
    conversation.wait_for_go()?;
    let _ = conversation.tally.sleep(ms_to_ns(after_ms));
    conversation.tell(
        crew.entries_of_the_blocked(),
        fields(json!({ "requestedNs": ms_to_ns(after_ms), "mainNeverReturns": "exit_group" })),
    )?;
    exit_process(0)
}
