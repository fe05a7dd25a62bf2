//! Two threads that want the same CPU all the time: what one runs, the other waits.

use serde_json::{Map, json};

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::modes::spin::spin_until;
use crate::protocol::{Conversation, fields};
use crate::tasks::{StolenTime, choose_cpu};

pub fn run(duration_ms: u64, cpu: Option<usize>) -> Result<(), WorkloadError> {
    let cpu = choose_cpu(cpu)?;
    let stolen = StolenTime::watch()?;
    let mut conversation = Conversation::new("contend");
    let mut crew = Crew::new();
    for name in ["rival-a", "rival-b"] {
        crew.add(name, Some(cpu), move |shift| {
            let cpu_before_ns = shift.tally.thread_cpu_ns();
            let begun_ns = monotonic_ns();
            spin_until(shift.opened_ns + ms_to_ns(duration_ms));
            let ended_ns = monotonic_ns();
            let cpu_after_ns = shift.tally.thread_cpu_ns();
            fields(json!({
                "cpuNs": cpu_after_ns - cpu_before_ns,
                "spunNs": ended_ns - begun_ns,
                "begunNs": begun_ns - shift.opened_ns,
            }))
        })?;
    }
    let workers = crew.perform(&mut conversation, Map::new())?;
    let stolen = stolen.to_json(&conversation.tally);
    conversation.tell(
        workers,
        fields(json!({ "requestedNs": ms_to_ns(duration_ms), "stolen": stolen, "cpu": cpu })),
    )?;
    conversation.wait_for_end()
}
