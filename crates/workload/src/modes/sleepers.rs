//! Many threads that are blocked all along.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Map, json};

use crate::crew::rest;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;
use crate::tasks::states_of_process;

const STACK_BYTES: usize = 64 << 10;

pub fn run(threads: u64) -> Result<(), WorkloadError> {
    let pid = std::process::id() as i32;
    let tids: Arc<Vec<AtomicU32>> = Arc::new((0..threads).map(|_| AtomicU32::new(0)).collect());
    let mut names = Vec::new();
    for index in 0..threads as usize {
        let name = format!("s{index}");
        let tids = Arc::clone(&tids);
        names.push(name.clone());
        thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let off_record = Tally::new();
                if let Some(slot) = tids.get(index) {
                    slot.store(off_record.gettid() as u32, Ordering::Release);
                }
                rest(&off_record)
            })
            .map_err(|error| {
                WorkloadError::system(format!("cannot start thread {index} of {threads}"), error)
            })?;
    }
    while tids.iter().any(|tid| tid.load(Ordering::Acquire) == 0) || !all_but_main_sleep(pid) {
        thread::sleep(Duration::from_millis(5));
    }
    let named: Vec<(String, i32)> = names
        .into_iter()
        .zip(tids.iter())
        .map(|(name, tid)| (name, tid.load(Ordering::Relaxed) as i32))
        .collect();

    let mut conversation = Conversation::new("sleepers");
    conversation.ready(&named, Map::new())?;
    conversation.wait_for_go()?;
    conversation.tell(
        Vec::new(),
        fields(json!({
            "sleepers": {
                "count": threads,
                "syscalls": {},
                "insideAtGo": "futex",
                "insideAtEnd": "futex",
            },
        })),
    )?;
    conversation.wait_for_end()
}

fn all_but_main_sleep(pid: i32) -> bool {
    states_of_process(pid)
        .iter()
        .all(|(tid, state)| *tid == pid || *state == b'S')
}
