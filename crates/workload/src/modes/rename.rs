//! A thread that takes a hostile name half way: escape sequences and a newline would act on a careless terminal.

use std::ffi::CStr;

use serde_json::{Map, json};

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};

const FIRST_NAME: &str = "plain";
const SECOND_NAME: &CStr = c"\x1b[31mred\n\x07end";
const CALLS_UNDER_EACH_NAME: u64 = 10;

pub fn run() -> Result<(), WorkloadError> {
    let mut conversation = Conversation::new("rename");
    let mut crew = Crew::new();
    crew.add(FIRST_NAME, None, |shift| {
        (0..CALLS_UNDER_EACH_NAME).for_each(|_| shift.tally.getppid());
        shift.tally.set_name(SECOND_NAME);
        (0..CALLS_UNDER_EACH_NAME).for_each(|_| shift.tally.getppid());
        Map::new()
    })?;
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(
        workers,
        fields(json!({
            "firstName": FIRST_NAME,
            "secondName": SECOND_NAME.to_string_lossy(),
            "getppidUnderEachName": CALLS_UNDER_EACH_NAME,
        })),
    )?;
    conversation.wait_for_end()
}
