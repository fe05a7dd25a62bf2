//! System calls through the 32-bit entry of a 64-bit kernel, where numbers mean other calls.

use serde_json::json;

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::{Tally, exit_process};

/// getppid in the i386 table. On x86_64 the same number is semget.
const I386_GETPPID: i32 = 64;

pub fn run(calls: u64) -> Result<(), WorkloadError> {
    let unsupported = reason_against()?;
    let supported = unsupported.is_none();
    let mut conversation = Conversation::new("ia32");
    let mut crew = Crew::new();
    crew.add("compat", None, move |_| {
        let calls = if supported { calls } else { 0 };
        let answered = (0..calls).filter(|_| getppid_through_int80() > 0).count();
        fields(json!({ "ia32Syscalls": { "getppid": calls }, "answered": answered }))
    })?;
    conversation.ready(&crew.names(), fields(json!({ "supported": supported })))?;
    conversation.wait_for_go()?;
    crew.start(&conversation.tally);
    let workers = crew.finish(&conversation.tally);
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

/// A kernel without the 32-bit entry answers with a signal, so a child process tries first.
fn reason_against() -> Result<Option<String>, WorkloadError> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Some("only x86_64 has a 32-bit entry".into()));
    }
    let off_record = Tally::new();
    // SAFETY: set-up; this process still has a single thread.
    match unsafe { off_record.fork() } {
        Ok(0) => exit_process(i32::from(getppid_through_int80() <= 0)),
        Ok(_) => {}
        Err(error) => return Err(WorkloadError::system("cannot fork", error)),
    }
    let (_, status) = off_record
        .wait_for_child()
        .map_err(|error| WorkloadError::system("cannot wait for a child", error))?;
    Ok((status != 0).then(|| "this kernel has no 32-bit entry (int 0x80)".into()))
}

#[cfg(target_arch = "x86_64")]
fn getppid_through_int80() -> i32 {
    let result: i32;
    // SAFETY: getppid takes no arguments and writes no memory. The entry may change r8 to r11 besides the result.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("eax") I386_GETPPID => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
fn getppid_through_int80() -> i32 {
    -1
}
