//! A thread that burns CPU inside one long system call: a read of random bytes into the same buffer again and again.

use std::fs::File;
use std::os::fd::AsRawFd;

use serde_json::{Map, json};

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::crew::Crew;
use crate::error::WorkloadError;
use crate::protocol::{Conversation, fields};
use crate::tally::Tally;
use crate::tasks::StolenTime;

const VECTORS: usize = 1024;
/// The kernel cuts one read off just below 2 GiB.
const MOST_BYTES_PER_CALL: usize = (1 << 31) - 4096;
const TRIAL_BYTES_PER_VECTOR: usize = 32 << 10;

pub fn run(duration_ms: u64) -> Result<(), WorkloadError> {
    let random = File::open("/dev/urandom")
        .map_err(|error| WorkloadError::system("cannot open /dev/urandom", error))?;
    let mut buffer = vec![0; MOST_BYTES_PER_CALL / VECTORS];
    let mut vectors = vec![
        libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0
        };
        VECTORS
    ];
    let bytes_per_vector = bytes_for(ms_to_ns(duration_ms), &random, &mut buffer, &mut vectors)?;
    // Raw pointers keep the vectors from moving into the thread, so it makes its own during set-up of the call; that
    // touches memory but makes no system call.
    drop(vectors);
    buffer.truncate(bytes_per_vector);

    let stolen = StolenTime::watch()?;
    let mut conversation = Conversation::new("spinkernel");
    let mut crew = Crew::new();
    crew.add("burner", None, move |shift| {
        let mut vectors = vec![
            libc::iovec {
                iov_base: std::ptr::null_mut(),
                iov_len: 0
            };
            VECTORS
        ];
        let begun_ns = monotonic_ns();
        let read = shift
            .tally
            .readv_repeated(random.as_raw_fd(), &mut buffer, &mut vectors);
        let spent_ns = monotonic_ns() - begun_ns;
        // Dropping a file would close it, which is a call of its own.
        std::mem::forget(random);
        fields(json!({ "callNs": spent_ns, "bytes": read.ok() }))
    })?;
    let workers = crew.perform(&mut conversation, Map::new())?;
    let stolen = stolen.to_json(&conversation.tally);
    conversation.tell(
        workers,
        fields(json!({
            "requestedNs": ms_to_ns(duration_ms), "stolen": stolen,
            "bytesAsked": bytes_per_vector * VECTORS,
        })),
    )?;
    conversation.wait_for_end()
}

/// How many bytes each vector must take for the call to last about that long, from one trial.
fn bytes_for(
    duration_ns: u64,
    random: &File,
    buffer: &mut [u8],
    vectors: &mut [libc::iovec],
) -> Result<usize, WorkloadError> {
    let off_record = Tally::new();
    let trial = buffer.get_mut(..TRIAL_BYTES_PER_VECTOR).unwrap_or_default();
    let begun_ns = monotonic_ns();
    let bytes = off_record
        .readv_repeated(random.as_raw_fd(), trial, vectors)
        .map_err(|error| WorkloadError::system("cannot read /dev/urandom", error))?;
    let spent_ns = (monotonic_ns() - begun_ns).max(1);
    let wanted = u128::from(duration_ns) * bytes as u128 / u128::from(spent_ns) / VECTORS as u128;
    let most = buffer.len();
    match usize::try_from(wanted) {
        Ok(wanted) if wanted <= most => Ok(wanted.max(1)),
        _ => Err(WorkloadError::Usage(format!(
            "one call lasts at most about {} ms here",
            u128::from(spent_ns) * (most * VECTORS) as u128 / bytes.max(1) as u128 / 1_000_000
        ))),
    }
}
