//! How much room the maps have.

use abi::control::EDGES_BYTES;
use abi::recorder::Record;
use abi::syscall::ROWS_PER_CHUNK;
use abi::thread::record::ENDED_BYTES;
use abi::upcall::UPCALL_ROWS;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::machine::{has_datapath, possible_cpus, present_cpus};
use crate::options::{MOST_RECORDER_BYTES, Options};

const MOST_TARGETS: u32 = 1 << 14;
/// Room for at least this many threads that make many different calls.
const LEAST_THREADS: u32 = 768;
/// Where children join, each of them brings threads.
const LEAST_THREADS_FOLLOWED: u32 = 4096;
pub const MOST_THREADS: u32 = 1 << 20;
/// Room for at least this many that make few, unless another number is asked for: two CPUs make some fifty threads in a
/// millisecond that do nothing but come and go, and of two virtual ones the one that is to take them in may not run for tens of
/// milliseconds.
const LEAST_RECORDS: u32 = 3072;
/// Most threads make fewer than sixteen different calls, and those that come and go fewer than four.
pub const CHUNKS_PER_THREAD: u32 = 16 / ROWS_PER_CHUNK;
/// Interrupts come from few devices, and find few threads on a CPU.
const HARD_IRQS_PER_THREAD: u32 = 2;

/// A stack takes a hundred times the room of its call, and is recorded for fewer.
const STACKED_EVENT_SHARE: u32 = 4;
pub const MOST_RING_BYTES: u32 = 1 << 30;
/// A hundred bytes each.
const OFF_CPU_ROWS_PER_THREAD: u32 = 16;
const LEAST_OFF_CPU_ROWS: u32 = 1 << 14;
const MOST_OFF_CPU_ROWS: u32 = 1 << 20;
/// A page's.
const LEAST_RING_SHIFT: u32 = 7;
const MOST_RECORDS_SHIFT: u32 = 30;
/// Each stack comes once.
const OFF_CPU_RING_BYTES: u32 = 8 << 20;

/// Sizes of the maps.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Monitored processes, where they are a set.
    pub targets: u32,
    pub records: u32,
    pub hard_irq_rows: u32,
    /// Of the ring buffer of threads that have ended.
    pub ended_bytes: u32,
    pub syscall_chunks: u32,
    /// Of the ring buffer of recorded calls.
    pub event_bytes: u32,
    /// Of that of recorded calls with stacks.
    pub stacked_event_bytes: u32,
    /// Stacks by which time blocked is summed up, and bytes of the ring buffer in which they come.
    pub off_cpu_rows: u32,
    pub off_cpu_bytes: u32,
    /// Threads whose waits are noted.
    pub waits: u32,
    /// CPUs of which it is known what they are doing.
    pub cpus: u32,
    /// Those of them that have a ring of the recorder's, and the power of two that each ring has records.
    pub rings: u32,
    pub ring_shift: u32,
    pub upcall_rows: u32,
    /// Stacks whose outermost call is known.
    pub calls: u32,
}

/// Stacks on which one function is at the same time, where triggers are told apart by call: some two megabytes, and what each CPU takes
/// for itself beforehand.
pub fn calls_known() -> u32 {
    const STACKS: u32 = 1 << 14;
    const OF_A_CPU: u32 = 256;
    STACKS + OF_A_CPU * possible_cpus()
}

pub fn counts_upcalls(options: &Options) -> bool {
    !options.without_upcalls && has_datapath()
}

/// Of so many records, how many threads end before user space is woken to take them in: a small part, as it may take a while until
/// it has a CPU; and many at once, as each wakening takes time from what is monitored, and each look through the rows as
/// long as there are rows, of which there may be as many more as there are records. A power of two.
pub fn crowd(records: u32) -> u32 {
    const LEAST: u32 = 2;
    const MOST: u32 = 4096;
    let sixteenth = (records / 16).max(1);
    (1 << sixteenth.ilog2()).clamp(LEAST, MOST)
}

/// Of a ring of at least so many bytes for each of these CPUs; all together must be numbers of a map's.
fn ring_shift(bytes: u32, rings: u32) -> u32 {
    let records = bytes
        .clamp(1, MOST_RECORDER_BYTES)
        .div_ceil(size_of::<Record>() as u32);
    let most = MOST_RECORDS_SHIFT - rings.next_power_of_two().ilog2();
    records
        .next_power_of_two()
        .ilog2()
        .max(LEAST_RING_SHIFT)
        .min(most)
}

pub fn capacity(living: u32, is_set: bool, options: &Options) -> Result<Capacity> {
    let threads = match options.thread_capacity {
        Some(0) => {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a capacity of 0 threads",
            ));
        }
        Some(threads) => threads.min(MOST_THREADS),
        None => {
            let least = if options.follow {
                LEAST_THREADS_FOLLOWED
            } else {
                LEAST_THREADS
            };
            living.saturating_mul(2).clamp(least, MOST_THREADS)
        }
    };
    let events = options.events.as_ref();
    let records = match options.thread_capacity {
        Some(_) => threads,
        None => threads.max(LEAST_RECORDS),
    };
    Ok(Capacity {
        targets: if is_set { MOST_TARGETS } else { 1 },
        records,
        hard_irq_rows: threads.saturating_mul(HARD_IRQS_PER_THREAD),
        // Twice as many as there are records: what was read and freed before it was told is told all the same.
        ended_bytes: (2 * records * ENDED_BYTES)
            .next_power_of_two()
            .max(EDGES_BYTES),
        syscall_chunks: threads.saturating_mul(CHUNKS_PER_THREAD).max(records),
        // What is not used is there all the same, as small as any.
        event_bytes: events.map_or(EDGES_BYTES, |events| events.buffer_bytes),
        stacked_event_bytes: match events {
            Some(events) if events.has_stacks => events
                .buffer_bytes
                .saturating_mul(STACKED_EVENT_SHARE)
                .min(MOST_RING_BYTES),
            _ => EDGES_BYTES,
        },
        off_cpu_rows: if options.off_cpu {
            threads
                .saturating_mul(OFF_CPU_ROWS_PER_THREAD)
                .clamp(LEAST_OFF_CPU_ROWS, MOST_OFF_CPU_ROWS)
        } else {
            1
        },
        off_cpu_bytes: if options.off_cpu {
            OFF_CPU_RING_BYTES
        } else {
            EDGES_BYTES
        },
        waits: if options.has_stacks() { records } else { 1 },
        cpus: if options.without_who {
            1
        } else {
            possible_cpus()
        },
        rings: if options.without_who {
            1
        } else {
            present_cpus()
        },
        ring_shift: if options.without_who {
            0
        } else {
            ring_shift(options.recorder_bytes, present_cpus())
        },
        upcall_rows: if counts_upcalls(options) {
            UPCALL_ROWS
        } else {
            1
        },
        calls: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::{LEAST_RING_SHIFT, MOST_RECORDS_SHIFT, crowd, ring_shift};

    #[test]
    fn a_ring_holds_what_is_asked_for_and_all_rings_have_numbers() {
        assert_eq!(ring_shift(4 << 20, 2), 17);
        assert_eq!(ring_shift((4 << 20) + 1, 2), 18);
        assert_eq!(ring_shift(0, 1), LEAST_RING_SHIFT);
        for rings in [1, 2, 3, 240, 8192] {
            assert!(u64::from(rings) << ring_shift(u32::MAX, rings) <= 1 << MOST_RECORDS_SHIFT);
        }
    }

    #[test]
    fn a_crowd_is_a_small_part_of_the_records_however_many_these_are() {
        for records in [1, 31, 32, 768, 3072, 8192, 1 << 16, 1 << 20] {
            let crowd = crowd(records);
            assert!(crowd.is_power_of_two() && crowd >= 2);
            assert!(records < 32 || (crowd * 16 <= records && crowd * 256 >= records));
        }
    }
}
