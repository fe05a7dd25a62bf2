//! A process that is blocked in one read(0) from `ready` to `go`, and again from the truth to `end`.

use serde_json::Map;

use crate::error::WorkloadError;
use crate::protocol::Conversation;

pub fn run() -> Result<(), WorkloadError> {
    let mut conversation = Conversation::new("stdin-block");
    conversation.ready(&[], Map::new())?;
    conversation.wait_for_go()?;
    conversation.tell(Vec::new(), Map::new())?;
    conversation.wait_for_end()
}
