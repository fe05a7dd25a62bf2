//! Load generators for benchmarks: the same system call in batches, timed from within. Within a slice nothing is called but
//! what is measured; the clock is read in user space.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, json};

use crate::arguments::LoopBody;
use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::failing::FailingCalls;
use crate::protocol::{Conversation, answer, fields};
use crate::tally::Tally;
use crate::tasks::{choose_cpu, pin_to_cpu};

/// Enough for a minute of batches of the cheapest call. What comes after that runs, but is not in the percentiles.
const MOST_BATCHES: usize = 4 << 20;
const LONGEST_SLICE_MS: u64 = 3_600_000;

pub fn run(body: LoopBody, cpu: Option<usize>, batch: u64) -> Result<(), WorkloadError> {
    if let Some(cpu) = cpu {
        pin_to_cpu(choose_cpu(Some(cpu))?)?;
    }
    let zero = File::open("/dev/zero")
        .map_err(|error| WorkloadError::system("cannot open /dev/zero", error))?;
    // Written once so that no slice takes the page faults.
    let mut batch_ns = vec![1_u32; MOST_BATCHES];
    let turn = Arc::new(AtomicU32::new(0));
    let mut crew = Crew::new();
    if body == LoopBody::FutexPingPong {
        let turn = Arc::clone(&turn);
        crew.add("pong", cpu, move |shift| {
            return_for_ever(shift.tally, &turn)
        })?;
        crew.start(&Tally::new());
    }
    let conversation = Conversation::new("loop");
    conversation.ready(
        &crew.names(),
        fields(json!({ "body": body.name(), "cpu": cpu })),
    )?;
    while let Some(line) = conversation.next_line()? {
        let Some(duration_ms) = slice_ms(&line)? else {
            break;
        };
        let tally = Tally::new();
        let mut made = Map::new();
        let batches = (batch, batch_ns.as_mut_slice());
        let slice = match body {
            LoopBody::Getppid => run_slice(duration_ms, batches, || tally.getppid()),
            LoopBody::Read0 => run_slice(duration_ms, batches, || {
                let _ = tally.read(zero.as_raw_fd(), &mut [0; 1]);
            }),
            LoopBody::FutexPingPong => run_slice(duration_ms, batches, || serve(&tally, &turn)),
            LoopBody::Failing { calls } => {
                let failing = FailingCalls::new(calls);
                let slice = run_slice(duration_ms, batches, || failing.make());
                made = failing.to_json();
                slice
            }
        };
        made.extend(tally.to_json());
        answer(fields(json!({
            "ops": slice.ops,
            "wallNs": slice.wall_ns,
            "p10NsPerOp": slice.ns_per_op(10),
            "medianNsPerOp": slice.ns_per_op(50),
            "batches": slice.sorted_batch_ns.len(),
            "batchesAtMedian": slice.batches_at_median(),
            "syscalls": made,
        })))?;
    }
    Ok(())
}

/// `slice MS` asks for a slice; `end` for none.
fn slice_ms(line: &str) -> Result<Option<u64>, WorkloadError> {
    if line.trim() == "end" {
        return Ok(None);
    }
    line.trim()
        .strip_prefix("slice ")
        .and_then(|text| text.parse().ok())
        .filter(|duration_ms| (1..=LONGEST_SLICE_MS).contains(duration_ms))
        .map(Some)
        .ok_or_else(|| {
            WorkloadError::Protocol(format!(
                "{line:?}: expected `slice MS` with MS from 1 to {LONGEST_SLICE_MS}, or `end`"
            ))
        })
}

struct Slice<'a> {
    ops: u64,
    wall_ns: u64,
    ops_per_batch: u64,
    sorted_batch_ns: &'a [u32],
}

impl Slice<'_> {
    fn ns_per_op(&self, percentile: usize) -> Option<f64> {
        let batch_ns = self.batch_ns(percentile)?;
        Some(f64::from(batch_ns) / self.ops_per_batch as f64)
    }

    /// How many took exactly as long: where time is counted instructions, those that nothing disturbed.
    fn batches_at_median(&self) -> usize {
        let median_ns = self.batch_ns(50);
        let alike = |batch_ns: &&u32| Some(**batch_ns) == median_ns;
        self.sorted_batch_ns.iter().filter(alike).count()
    }

    fn batch_ns(&self, percentile: usize) -> Option<u32> {
        let index = self.sorted_batch_ns.len() * percentile / 100;
        self.sorted_batch_ns.get(index).copied()
    }
}

/// Operations for that long, in batches of so many, whose times go into `batch_ns`.
fn run_slice(
    duration_ms: u64,
    (ops_per_batch, batch_ns): (u64, &mut [u32]),
    op: impl Fn(),
) -> Slice<'_> {
    let begun_ns = monotonic_ns();
    let deadline_ns = begun_ns + ms_to_ns(duration_ms);
    let (mut batches, mut last_ns) = (0, begun_ns);
    while last_ns < deadline_ns {
        for _ in 0..ops_per_batch {
            op();
        }
        let now_ns = monotonic_ns();
        if let Some(slot) = batch_ns.get_mut(batches) {
            *slot = u32::try_from(now_ns - last_ns).unwrap_or(u32::MAX);
        }
        batches += 1;
        last_ns = now_ns;
    }
    let recorded = batches.min(batch_ns.len());
    let sorted_batch_ns = batch_ns.get_mut(..recorded).unwrap_or_default();
    // Sorts in place: an allocation could fault in pages of the arena.
    sorted_batch_ns.sort_unstable();
    Slice {
        ops: batches as u64 * ops_per_batch,
        wall_ns: last_ns - begun_ns,
        ops_per_batch,
        sorted_batch_ns,
    }
}

/// One round trip: hand the turn over and wait to get it back.
fn serve(tally: &Tally, turn: &AtomicU32) {
    turn.store(1, Ordering::Release);
    let _ = tally.futex_wake(turn, 1);
    while turn.load(Ordering::Acquire) != 0 {
        let _ = tally.futex_wait(turn, 1);
    }
}

fn return_for_ever(tally: &Tally, turn: &AtomicU32) -> ! {
    loop {
        while turn.load(Ordering::Acquire) != 1 {
            let _ = tally.futex_wait(turn, 0);
        }
        turn.store(0, Ordering::Release);
        let _ = tally.futex_wake(turn, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_asked_for_by_its_length() {
        assert_eq!(slice_ms("slice 200").unwrap(), Some(200));
        assert_eq!(slice_ms("end").unwrap(), None);
        for line in ["slice", "slice 0", "slice -1", "slice x", "go", ""] {
            assert!(slice_ms(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn percentiles_come_from_the_sorted_batches() {
        let sorted_batch_ns: Vec<u32> = (1..=100).map(|n| n * 256).collect();
        let slice = Slice {
            ops: 0,
            wall_ns: 0,
            ops_per_batch: 256,
            sorted_batch_ns: &sorted_batch_ns,
        };
        assert_eq!(slice.ns_per_op(10), Some(11.0));
        assert_eq!(slice.ns_per_op(50), Some(51.0));
        let empty = Slice {
            ops: 0,
            wall_ns: 0,
            ops_per_batch: 256,
            sorted_batch_ns: &[],
        };
        assert_eq!(empty.ns_per_op(50), None);
        assert_eq!(empty.batches_at_median(), 0);
    }

    #[test]
    fn batches_at_the_median_are_those_that_took_exactly_as_long() {
        let slice = Slice {
            ops: 0,
            wall_ns: 0,
            ops_per_batch: 8,
            sorted_batch_ns: &[79, 80, 80, 80, 81],
        };
        assert_eq!(slice.ns_per_op(50), Some(10.0));
        assert_eq!(slice.batches_at_median(), 3);
    }

    #[test]
    fn a_slice_makes_whole_batches_for_at_least_its_length() {
        let tally = Tally::new();
        let mut batch_ns = vec![0; 4];
        let slice = run_slice(2, (8, &mut batch_ns), || tally.getppid());
        assert_eq!(slice.ops, tally.count(crate::tally::Call::Getppid));
        assert_eq!(slice.ops % 8, 0);
        assert!(slice.wall_ns >= 2_000_000);
        assert_eq!(slice.sorted_batch_ns.len(), 4);
    }
}
