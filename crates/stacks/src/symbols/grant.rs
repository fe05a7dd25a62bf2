//! What it may take to name the frames of a target: so many bytes copied or unpacked, and so much of the thread's time, for the whole
//! of it, and of either no more than most of what is left for a single file, and of that no more than most for its debug information. So
//! what a file is made to take, others still have, and its own symbol table.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::mapped::cpu_time::cpu_time;

/// A single file may have so many parts of so many.
const MOST_OF_ONE: (u32, u32) = (3, 4);

/// Of a file's bytes, one of so many is kept for its symbols. They are a tenth of what debug information is, or less.
const SYMBOLS_PART: u64 = 16;

/// For a target.
#[derive(Clone, Debug)]
pub struct Allotment {
    /// Symbols and debug information, unpacked.
    pub bytes: u64,
    /// Of the CPU time of the thread that does it.
    pub time: Duration,
    /// Set by whoever does not want to wait any longer.
    pub is_ended: Arc<AtomicBool>,
}

impl Allotment {
    /// More than anything takes.
    pub fn unlimited() -> Self {
        Self {
            bytes: u64::MAX,
            time: Duration::MAX,
            is_ended: Arc::default(),
        }
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }

    /// Whether nothing is looked for any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_ended() || self.time.is_zero()
    }

    /// The part for one file.
    pub(crate) fn grant(&self) -> Grant {
        let (parts, of) = MOST_OF_ONE;
        let bytes = self.bytes / u64::from(of) * u64::from(parts);
        Grant::new(bytes, self.of_one(), &self.is_ended)
    }

    /// The time for one file.
    pub(crate) fn of_one(&self) -> Duration {
        most_of(self.time)
    }

    /// What was taken of a grant is gone.
    pub(crate) fn settle(&mut self, grant: &Grant) {
        self.bytes = self.bytes.saturating_sub(grant.taken);
        self.spend(cpu_time().saturating_sub(grant.since));
    }

    pub(crate) fn spend(&mut self, time: Duration) {
        if self.time != Duration::MAX {
            self.time = self.time.saturating_sub(time);
        }
    }
}

/// For one file.
#[derive(Debug)]
pub struct Grant {
    bytes: u64,
    since: Duration,
    until: Duration,
    is_ended: Arc<AtomicBool>,
    taken: u64,
    /// Something was left out for want of bytes or of time.
    pub is_refused: bool,
}

fn most_of(time: Duration) -> Duration {
    let (parts, of) = MOST_OF_ONE;
    time / of * parts
}

impl Grant {
    fn new(bytes: u64, time: Duration, is_ended: &Arc<AtomicBool>) -> Self {
        let now = cpu_time();
        Self {
            bytes,
            since: now,
            until: now.saturating_add(time),
            is_ended: Arc::clone(is_ended),
            taken: 0,
            is_refused: false,
        }
    }

    /// Before so many bytes are copied or unpacked; they count as such also where that fails. Fails if they are more than are left.
    pub fn take(&mut self, bytes: u64) -> io::Result<()> {
        let Some(left) = self.bytes.checked_sub(bytes) else {
            self.is_refused = true;
            return Err(io::Error::other(
                "that takes more memory than is left for this sample",
            ));
        };
        self.bytes = left;
        self.taken = self.taken.saturating_add(bytes);
        Ok(())
    }

    /// What of it the debug information may take: were that all, none would be left for the symbol table.
    pub fn for_debug_information(&self) -> Self {
        let bytes = self.bytes - self.bytes / SYMBOLS_PART;
        Self::new(bytes, most_of(self.time()), &self.is_ended)
    }

    /// What was taken of a part of it is gone.
    pub fn settle(&mut self, part: &Self) {
        self.bytes = self.bytes.saturating_sub(part.taken);
        self.taken = self.taken.saturating_add(part.taken);
        self.is_refused |= part.is_refused;
    }

    /// What is left of the time.
    pub fn time(&self) -> Duration {
        self.until.saturating_sub(cpu_time())
    }

    /// Whether to go on is too much. Asked every so often, and not for each byte.
    pub fn is_over(&mut self) -> bool {
        let is_over = self.is_ended.load(Ordering::Relaxed) || cpu_time() > self.until;
        self.is_refused |= is_over;
        is_over
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::Allotment;

    fn allotment(bytes: u64) -> Allotment {
        Allotment {
            bytes,
            ..Allotment::unlimited()
        }
    }

    #[test]
    fn a_file_that_takes_all_it_may_leaves_some_for_others() {
        let mut allotment = allotment(1 << 30);
        for left in [1u64 << 28, 1 << 26, 1 << 24] {
            let mut grant = allotment.grant();
            grant.take(grant.bytes).unwrap();
            assert!(grant.take(1).is_err() && grant.is_refused);
            allotment.settle(&grant);
            assert_eq!(allotment.bytes, left);
        }
    }

    #[test]
    fn debug_information_that_takes_all_it_may_leaves_some_for_the_symbols() {
        let mut grant = Allotment {
            time: Duration::from_secs(4),
            ..allotment(1 << 30)
        }
        .grant();
        let mut part = grant.for_debug_information();
        assert!(part.time() < grant.time() - Duration::from_millis(700));
        let left = grant.bytes - part.bytes;
        part.take(part.bytes).unwrap();
        assert!(part.take(1).is_err());
        grant.settle(&part);
        assert_eq!((grant.bytes, grant.is_refused), (left, true));
        assert!(left > 0 && grant.take(left).is_ok());
        // What either has taken, the file has.
        let mut all = allotment(1 << 30);
        all.settle(&grant);
        assert_eq!(all.bytes, 1 << 28);
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let mut allotment = allotment(1 << 20);
        let mut grant = allotment.grant();
        assert!(grant.take(1 << 20).is_err());
        allotment.settle(&grant);
        assert_eq!(allotment.bytes, 1 << 20);
        assert!(!allotment.is_over());
    }

    #[test]
    fn whoever_waits_may_end_it() {
        let allotment = allotment(1 << 20);
        let mut grant = allotment.grant();
        assert!(!grant.is_over() && !grant.is_refused);
        allotment.is_ended.store(true, Ordering::Relaxed);
        assert!(grant.is_over() && grant.is_refused && allotment.is_over());
        let spent = Allotment {
            time: Duration::ZERO,
            ..Allotment::unlimited()
        };
        assert!(spent.is_over());
    }
}
