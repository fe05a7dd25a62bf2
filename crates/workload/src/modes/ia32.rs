//! System calls through the 32-bit entry of a 64-bit kernel, where numbers mean other calls.

use serde_json::json;

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::numbers::{I386_GETPPID, call_compat, reason_against_compat};
use crate::protocol::{Conversation, fields};

pub fn run(calls: u64) -> Result<(), WorkloadError> {
    let unsupported = reason_against_compat()?;
    let supported = unsupported.is_none();
    let mut conversation = Conversation::new("ia32");
    let mut crew = Crew::new();
    crew.add("compat", None, move |_| {
        let calls = if supported { calls } else { 0 };
        let answered = (0..calls).filter(|_| call_compat(I386_GETPPID) > 0).count();
        fields(json!({ "ia32Syscalls": { "getppid": calls }, "answered": answered }))
    })?;
    let workers = crew.perform(&mut conversation, fields(json!({ "supported": supported })))?;
    conversation.tell(
        workers,
        fields(json!({
            "supported": supported,
            "reason": unsupported,
            "ia32Number": I386_GETPPID,
        })),
    )?;
    conversation.wait_for_end()
}
