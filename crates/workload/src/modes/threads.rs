//! Threads that are born, take a name, make some different calls, and exit.

use std::ffi::CString;

use serde_json::{Map, json};

use crate::error::WorkloadError;
use crate::harmless;
use crate::light_thread::{Berth, LightWork};
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;

struct BriefLife {
    name: CString,
    tally: Tally,
    calls: usize,
}

impl LightWork for BriefLife {
    fn run(&self) {
        self.tally.set_name(&self.name);
        harmless::make(self.calls);
    }
}

pub fn run(threads: u64, batch: u64, calls: usize) -> Result<(), WorkloadError> {
    let mut lives = Vec::new();
    for index in 0..threads {
        let name = CString::new(format!("t{index}")).unwrap_or_default();
        lives.push(BriefLife {
            name,
            tally: Tally::new(),
            calls,
        });
    }
    let berths = (0..batch.min(threads))
        .map(|_| Berth::new())
        .collect::<Result<Vec<Berth>, WorkloadError>>()?;
    let mut tids = Vec::with_capacity(lives.len());
    let pid = std::process::id() as i32;

    let mut conversation = Conversation::new("threads");
    conversation.ready(&[], Map::new())?;
    conversation.wait_for_go()?;
    let tally = &conversation.tally;
    for group in lives.chunks(berths.len()) {
        let first = tids.len();
        for (life, berth) in group.iter().zip(&berths) {
            // SAFETY: `lives` outlives this function's loop, which waits for each thread below before it goes on; the
            // work is a prctl, and calls that cannot fail.
            tids.push(unsafe { berth.start(tally, life) }?);
        }
        for (tid, berth) in tids.iter().skip(first).zip(&berths) {
            berth.wait_until_gone(tally, pid, *tid);
        }
    }
    let total = Tally::new();
    lives.iter().for_each(|life| total.absorb(&life.tally));
    conversation.tell(
        Vec::new(),
        fields(json!({
            "born": tids.len(),
            "exited": tids.len(),
            "batch": berths.len(),
            "shortLived": {
                "tids": tids,
                "syscallsOfAll": total.to_json(),
                "onceByEach": harmless::names(calls),
                "neverReturns": "exit",
            },
        })),
    )?;
    conversation.wait_for_end()
}
