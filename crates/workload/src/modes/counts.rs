//! A known number of calls of ten system calls, each of another kind: trivial, on a file, blocking, yielding, futex.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU32;

use serde_json::{Map, json};

use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;

pub fn run(calls: u64) -> Result<(), WorkloadError> {
    let zero = File::open("/dev/zero")
        .map_err(|error| WorkloadError::system("cannot open /dev/zero", error))?;
    let null = OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .map_err(|error| WorkloadError::system("cannot open /dev/null", error))?;

    let mut conversation = Conversation::new("counts");
    let mut crew = Crew::new();
    crew.add("worker", None, move |shift| {
        let mut failures = 0_u64;
        for _ in 0..calls {
            failures += one_of_each(shift.tally, &zero, &null);
        }
        // Dropping a file would close it, which is a call of its own.
        std::mem::forget((zero, null));
        fields(json!({ "failedCalls": failures }))
    })?;
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(workers, fields(json!({ "callsOfEach": calls })))?;
    conversation.wait_for_end()
}

/// Makes the ten calls and returns how many of them failed, which is none on a sound system.
fn one_of_each(tally: &Tally, zero: &File, null: &File) -> u64 {
    let nobody_waits = AtomicU32::new(0);
    let mut buffer = [0; 16];
    // SAFETY: `stat` is plain old data, for which all zeroes is a valid value.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    tally.getppid();
    tally.getuid();
    tally.sched_yield();
    [
        tally.read(zero.as_raw_fd(), &mut buffer),
        tally.write(null.as_raw_fd(), b"kdelay"),
        tally.lseek(zero.as_raw_fd()),
        tally.fstat(zero.as_raw_fd(), &mut status),
        tally.sleep(0),
        tally.futex_wake(&nobody_waits, 1),
        tally.getrandom(&mut buffer),
    ]
    .iter()
    .filter(|result| result.is_err())
    .count() as u64
}
