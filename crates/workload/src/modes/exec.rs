//! A process that replaces its program while it is being watched, from its main thread or from another one. In the second
//! case the kernel ends the main thread, and the thread that called takes over its tid.

use std::ffi::{CString, c_char};
use std::ptr;

use serde_json::{Map, json};

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;

const CALLS_BEFORE: u64 = 50;
const CALLS_AFTER: u64 = 100;

pub fn run_from_main_thread() -> Result<(), WorkloadError> {
    let mut conversation = Conversation::new("exec");
    let path = own_path()?;
    let pid = std::process::id() as i32;
    conversation.ready(&[], Map::new())?;
    conversation.wait_for_go()?;
    Err(become_execed(&path, "exec", pid, conversation.go_ns()))
}

pub fn run_from_other_thread() -> Result<(), WorkloadError> {
    let mut conversation = Conversation::new("execthread");
    let path = own_path()?;
    let mut crew = Crew::new();
    crew.add("execer", None, move |shift| {
        let error = become_execed(&path, "execthread", shift.tid, shift.opened_ns);
        fields(json!({ "error": error.to_string() }))
    })?;
    // Comes back only if the exec failed; the entry says why.
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(workers, fields(json!({ "execFailed": true })))?;
    conversation.wait_for_end()
}

/// What the new program does. The old one's calls are known by construction; the loader's and the runtime's are not, so
/// only the names stated here are exact.
pub fn continue_after(mode: &str, from_tid: i32, go_ns: u64) -> Result<(), WorkloadError> {
    let mode = match mode {
        "exec" => "exec",
        "execthread" => "execthread",
        other => return Err(WorkloadError::Usage(format!("unknown mode {other:?}"))),
    };
    let conversation = Conversation::resumed(mode, go_ns);
    (0..CALLS_AFTER).for_each(|_| conversation.tally.getppid());
    let pid = std::process::id() as i32;
    conversation.tell_without_threads(fields(json!({
        "threadsAfter": [{
            "name": "main",
            "tid": pid,
            "syscalls": { "getppid": CALLS_AFTER, "write": 1 },
            "otherCallsToo": true,
            "insideAtEnd": "read",
        }],
        "before": {
            "tid": from_tid,
            "syscalls": { "getppid": CALLS_BEFORE },
        },
        "execve": { "enteredAsTid": from_tid, "returnedAsTid": pid },
    })))?;
    conversation.wait_for_end()
}

fn own_path() -> Result<CString, WorkloadError> {
    let path = std::env::current_exe()
        .map_err(|error| WorkloadError::system("cannot find this program's file", error))?;
    CString::new(path.into_os_string().into_encoded_bytes())
        .map_err(|_| WorkloadError::Protocol("this program's path holds a NUL".into()))
}

/// Returns only if the kernel refuses.
fn become_execed(path: &CString, mode: &str, from_tid: i32, go_ns: u64) -> WorkloadError {
    let tally = Tally::new();
    let words = [
        "kdelay-oracle",
        "execed",
        mode,
        &from_tid.to_string(),
        &go_ns.to_string(),
    ]
    .map(|word| CString::new(word).unwrap_or_default());
    let mut arguments: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    arguments.push(ptr::null());
    (0..CALLS_BEFORE).for_each(|_| tally.getppid());
    // SAFETY: `words` outlives the call and its strings end in NUL; both arrays end with a null pointer.
    let error = unsafe { tally.execve(path, &arguments, &[ptr::null()]) };
    WorkloadError::system("cannot exec", error)
}
