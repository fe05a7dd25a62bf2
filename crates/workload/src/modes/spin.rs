//! A thread that never leaves user space: no system call, and no switch unless another thread wants its CPU.

use std::hint::spin_loop;

use serde_json::{Map, json};

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tasks::{StolenTime, choose_cpu};

pub fn run(duration_ms: u64, cpu: Option<usize>) -> Result<(), WorkloadError> {
    if let Some(cpu) = cpu {
        choose_cpu(Some(cpu))?;
    }
    let stolen = StolenTime::watch()?;
    let mut conversation = Conversation::new("spin");
    let mut crew = Crew::new();
    crew.add("spinner", cpu, move |shift| {
        let begun_ns = monotonic_ns();
        spin_until(shift.opened_ns + ms_to_ns(duration_ms));
        fields(json!({ "spunNs": monotonic_ns() - begun_ns }))
    })?;
    let workers = crew.perform(&mut conversation, Map::new())?;
    let stolen = stolen.to_json(&conversation.tally);
    conversation.tell(
        workers,
        fields(json!({ "requestedNs": ms_to_ns(duration_ms), "stolen": stolen, "cpu": cpu })),
    )?;
    conversation.wait_for_end()
}

pub fn spin_until(deadline_ns: u64) {
    while monotonic_ns() < deadline_ns {
        spin_loop();
    }
}
