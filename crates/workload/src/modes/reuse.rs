//! Two threads, one after the other, that get the same tid: the kernel is told which pid it handed out last.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use serde_json::{Map, Value, json};

use crate::error::WorkloadError;
use crate::light_thread::{Berth, LightWork};
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;

const LAST_PID_FILE: &str = "/proc/sys/kernel/ns_last_pid";
/// Any fork elsewhere on the machine may take the tid first.
const ATTEMPTS: u32 = 200;

struct Generation {
    name: &'static CStr,
    getppids: u64,
    /// Works only under this tid; 0 stands for any.
    wanted_tid: AtomicI32,
    tally: Tally,
}

impl Generation {
    fn new(name: &'static CStr, getppids: u64) -> Self {
        Self {
            name,
            getppids,
            wanted_tid: AtomicI32::new(0),
            tally: Tally::new(),
        }
    }

    fn to_json(&self, tid: i32) -> Value {
        json!({
            "name": self.name.to_string_lossy(),
            "tid": tid,
            "syscalls": self.tally.to_json(),
            "neverReturns": "exit",
        })
    }
}

impl LightWork for Generation {
    fn run(&self) {
        let wanted_tid = self.wanted_tid.load(Ordering::Relaxed);
        // A stray attempt under another tid counts in a tally of its own, so that the truth stays that of one thread.
        let stray = Tally::new();
        if wanted_tid != 0 && stray.gettid() != wanted_tid {
            return;
        }
        self.tally
            .add(crate::tally::Call::Gettid, u64::from(wanted_tid != 0));
        self.tally.set_name(self.name);
        (0..self.getppids).for_each(|_| self.tally.getppid());
    }
}

pub fn run() -> Result<(), WorkloadError> {
    let last_pid = OpenOptions::new().write(true).open(LAST_PID_FILE);
    let berth = Berth::new()?;
    let first = Generation::new(c"gen1", 10);
    let second = Generation::new(c"gen2", 20);
    let pid = std::process::id() as i32;

    let mut conversation = Conversation::new("reuse");
    conversation.ready(&[], Map::new())?;
    conversation.wait_for_go()?;
    let tally = &conversation.tally;
    // SAFETY: `first` lives to the end of this function, and the thread is waited for at once.
    let tid = unsafe { berth.start(tally, &first) }?;
    berth.wait_until_gone(tally, pid, tid);

    second.wanted_tid.store(tid, Ordering::Relaxed);
    let mut strays = Vec::new();
    let mut reason = None;
    let mut reused = false;
    while reason.is_none() && !reused {
        reason = prepare(&last_pid, tally, tid);
        if reason.is_none() {
            // SAFETY: `second` lives to the end of this function, and the thread is waited for at once.
            let got = unsafe { berth.start(tally, &second) }?;
            berth.wait_until_gone(tally, pid, got);
            reused = got == tid;
            if !reused {
                strays.push(got);
            }
            if strays.len() as u32 >= ATTEMPTS {
                reason = Some("another process took the tid every time".into());
            }
        }
    }
    let mut generations = vec![first.to_json(tid)];
    if reused {
        generations.push(second.to_json(tid));
    }
    conversation.tell(
        Vec::new(),
        fields(json!({
            "reusedTid": reused.then_some(tid),
            "reason": reason,
            "generations": generations,
            "strays": { "tids": strays, "syscallsOfEach": { "gettid": 1 } },
        })),
    )?;
    conversation.wait_for_end()
}

/// Makes `tid` the next one to be handed out. Returns why it cannot, if so.
fn prepare(last_pid: &std::io::Result<File>, tally: &Tally, tid: i32) -> Option<String> {
    let failure = match last_pid {
        Ok(file) => {
            let mut digits = [0; 12];
            let text = decimal(tid - 1, &mut digits);
            tally.pwrite(file.as_raw_fd(), text).err()?.to_string()
        }
        Err(error) => error.to_string(),
    };
    Some(format!("cannot write {LAST_PID_FILE}: {failure}"))
}

fn decimal(number: i32, digits: &mut [u8; 12]) -> &[u8] {
    use std::io::Write;
    let mut rest = digits.as_mut_slice();
    let written = match write!(rest, "{number}") {
        Ok(()) => 12 - rest.len(),
        Err(_) => 0,
    };
    digits.get(..written).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_whole() {
        assert_eq!(decimal(0, &mut [0; 12]), b"0");
        assert_eq!(decimal(i32::MAX, &mut [0; 12]), b"2147483647");
    }
}
