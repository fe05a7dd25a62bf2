//! Taking events out of a ring buffer that is being filled meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use aya::maps::{MapData, RingBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::probes::object::Probes;

/// What the kernel keeps in front of each entry (`BPF_RINGBUF_HDR_SZ`), and the multiple that entries take up.
const HEADER_BYTES: usize = 8;
const ENTRY_ALIGNMENT: usize = 8;

/// A queue of events, first in, first out.
pub trait Source {
    /// More than this is never in it.
    fn capacity_bytes(&self) -> usize;

    /// Takes the next event out, once it has been visited. `None`: there is none.
    fn take<R>(&mut self, visit: impl FnOnce(&[u8]) -> R) -> Option<R>;
}

/// One of the programs' ring buffers.
pub struct Ring {
    buffer: RingBuf<MapData>,
    capacity_bytes: usize,
}

impl Ring {
    pub fn new(probes: &mut Probes, name: &str) -> Result<Self> {
        let unusable = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Internal,
                format!("the ring buffer {name} cannot be used: {error}"),
            )
        };
        let map = probes.take_map(name)?;
        let aya::maps::Map::RingBuf(data) = &map else {
            return Err(unusable(&"it is none"));
        };
        let capacity_bytes = data.info().map_err(|error| unusable(&error))?.max_entries() as usize;
        Ok(Self {
            buffer: RingBuf::try_from(map).map_err(|error| unusable(&error))?,
            capacity_bytes,
        })
    }
}

impl Source for Ring {
    fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    fn take<R>(&mut self, visit: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.buffer.next().map(|item| visit(&item))
    }
}

/// Takes out all that is there as this begins, and of what comes meanwhile no more than the source can hold: whoever fills it
/// faster than it is emptied does not hold up the caller for ever. Stops at once when the source is closed.
pub fn drain(source: &mut impl Source, is_closed: &AtomicBool, mut visit: impl FnMut(&[u8])) {
    let mut left_bytes = source.capacity_bytes();
    while left_bytes > 0 && !is_closed.load(Ordering::Relaxed) {
        let length = source.take(|event| {
            visit(event);
            event.len()
        });
        let Some(length) = length else { return };
        let taken_bytes = (length + HEADER_BYTES).next_multiple_of(ENTRY_ALIGNMENT);
        left_bytes = left_bytes.saturating_sub(taken_bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{Source, drain};

    /// Filled by at least one event for each that is taken out.
    struct Endless;

    impl Source for Endless {
        fn capacity_bytes(&self) -> usize {
            4096
        }

        fn take<R>(&mut self, visit: impl FnOnce(&[u8]) -> R) -> Option<R> {
            Some(visit(&[0; 56]))
        }
    }

    struct Filled(usize);

    impl Source for Filled {
        fn capacity_bytes(&self) -> usize {
            4096
        }

        fn take<R>(&mut self, visit: impl FnOnce(&[u8]) -> R) -> Option<R> {
            self.0 = self.0.checked_sub(1)?;
            Some(visit(&[0; 1]))
        }
    }

    #[test]
    fn a_drain_ends_although_events_come_faster_than_they_are_taken() {
        let mut taken = 0;
        drain(&mut Endless, &AtomicBool::new(false), |_| taken += 1);
        assert_eq!(taken, 4096 / 64);
    }

    #[test]
    fn all_that_a_full_source_holds_is_taken() {
        let mut full = Filled(4096 / 16);
        let mut taken = 0;
        drain(&mut full, &AtomicBool::new(false), |_| taken += 1);
        assert_eq!((taken, full.0), (4096 / 16, 0));
    }

    #[test]
    fn a_drain_stops_at_once_when_it_is_closed() {
        let is_closed = AtomicBool::new(false);
        let mut taken = 0;
        drain(&mut Endless, &is_closed, |_| {
            taken += 1;
            is_closed.store(taken == 3, Ordering::Relaxed);
        });
        assert_eq!(taken, 3);
    }
}
