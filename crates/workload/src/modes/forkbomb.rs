//! Short-lived child processes, a bounded number at a time.

use serde_json::{Map, json};

use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::signals::BlockedSignals;
use crate::tally::{Tally, exit_process};

const AT_A_TIME: u64 = 8;

pub fn run(children: u64) -> Result<(), WorkloadError> {
    // A tracer makes the kernel deliver even ignored signals, and one that arrives during a fork has it begun anew.
    BlockedSignals::block(&[libc::SIGCHLD])?;
    let mut pids = Vec::with_capacity(children as usize);
    let mut conversation = Conversation::new("forkbomb");
    conversation.ready(&[], Map::new())?;
    conversation.wait_for_go()?;
    let tally = &conversation.tally;
    let (mut alive, mut ended_well) = (0, 0_u64);
    while (pids.len() as u64) < children || alive > 0 {
        if (pids.len() as u64) < children && alive < AT_A_TIME {
            pids.push(fork_brief_child(tally)?);
            alive += 1;
            continue;
        }
        let (_, status) = tally
            .wait_for_child()
            .map_err(|error| WorkloadError::system("cannot wait for a child", error))?;
        alive -= 1;
        ended_well += u64::from(status == 0);
    }
    conversation.tell(
        Vec::new(),
        fields(json!({
            "born": pids.len(),
            "exited": ended_well,
            "children": {
                "pids": pids,
                "syscallsOfEach": { "getppid": 1 },
                "neverReturns": "exit_group",
            },
        })),
    )?;
    conversation.wait_for_end()
}

fn fork_brief_child(tally: &Tally) -> Result<i32, WorkloadError> {
    // SAFETY: this mode has a single thread.
    match unsafe { tally.fork() } {
        Ok(0) => {
            tally.getppid();
            exit_process(0)
        }
        Ok(pid) => Ok(pid),
        Err(error) => Err(WorkloadError::system("cannot fork", error)),
    }
}
