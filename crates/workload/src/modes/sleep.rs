//! Known sleeps, measured by the sleeper itself.

use serde_json::{Map, json};

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};

pub fn run(sleep_ms: u64, sleeps: u64) -> Result<(), WorkloadError> {
    let sleep_ns = ms_to_ns(sleep_ms);
    let mut conversation = Conversation::new("sleep");
    let mut crew = Crew::new();
    crew.add("sleeper", None, move |shift| {
        let (mut least_ns, mut most_ns, mut total_ns) = (u64::MAX, 0, 0);
        for _ in 0..sleeps {
            let before_ns = monotonic_ns();
            let _ = shift.tally.sleep(sleep_ns);
            let slept_ns = monotonic_ns() - before_ns;
            least_ns = least_ns.min(slept_ns);
            most_ns = most_ns.max(slept_ns);
            total_ns += slept_ns;
        }
        fields(json!({
            "measured": { "minNs": least_ns, "maxNs": most_ns, "totalNs": total_ns },
        }))
    })?;
    let workers = crew.perform(&mut conversation, Map::new())?;
    conversation.tell(
        workers,
        fields(json!({
            "sleeps": sleeps,
            "requestedNs": sleep_ns,
            "requestedTotalNs": sleep_ns.saturating_mul(sleeps),
        })),
    )?;
    conversation.wait_for_end()
}
