//! What the names of a sample may take, and the share of each target in it: what one does not need, the others have. At last, what all
//! have left is for those whose share was not enough.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use stacks::Allotment;

/// Symbols and debug information, unpacked: of a sample, and of a target. Twice what the largest server programs have.
const MOST_BYTES: u64 = 2 << 30;
const MOST_BYTES_OF_ONE: u64 = 1 << 30;
/// CPU time. The largest programs take seconds.
const MOST_TIME: Duration = Duration::from_secs(45);
const MOST_TIME_OF_ONE: Duration = Duration::from_secs(15);
/// Frames of different stacks. Large programs have some ten thousand stacks, of some tens of them.
const MOST_FRAMES: usize = 4_000_000;

/// What is left of a sample's.
#[derive(Debug)]
pub struct Means {
    bytes: u64,
    time: Duration,
    frames: usize,
}

/// One owner's.
#[derive(Debug)]
pub struct Share {
    given: Allotment,
    frames_given: usize,
    frames: usize,
}

impl Means {
    pub fn of_sample() -> Self {
        Self {
            bytes: MOST_BYTES,
            time: MOST_TIME,
            frames: MOST_FRAMES,
        }
    }

    /// Of so many that are still to come, the next one's.
    pub fn share(&self, among: usize, is_ended: &Arc<AtomicBool>) -> Share {
        let among = u32::try_from(among).unwrap_or(u32::MAX).max(1);
        let frames = self.frames / among as usize;
        Share {
            given: Allotment {
                bytes: (self.bytes / u64::from(among)).min(MOST_BYTES_OF_ONE),
                time: (self.time / among).min(MOST_TIME_OF_ONE),
                is_ended: Arc::clone(is_ended),
            },
            frames_given: frames,
            frames,
        }
    }

    /// `left`: of what was given.
    pub fn settle(&mut self, share: Share, left: &Allotment) {
        let bytes = share.given.bytes.saturating_sub(left.bytes);
        let time = share.given.time.saturating_sub(left.time);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.time = self.time.saturating_sub(time);
        self.frames = self
            .frames
            .saturating_sub(share.frames_given - share.frames);
    }
}

impl Share {
    pub fn allotment(&self) -> Allotment {
        self.given.clone()
    }

    pub fn has_room_for(&mut self, frames: usize) -> bool {
        let left = self.frames.checked_sub(frames);
        self.frames = left.unwrap_or(self.frames);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use stacks::Allotment;

    use super::{MOST_BYTES, MOST_BYTES_OF_ONE, MOST_TIME, MOST_TIME_OF_ONE, Means};

    #[test]
    fn what_one_takes_is_not_another_s_and_what_one_leaves_is() {
        let is_ended = Arc::default();
        let mut means = Means::of_sample();
        // The first of four takes all that it may.
        let first = means.share(4, &is_ended);
        assert_eq!(first.given.bytes, MOST_BYTES / 4);
        let nothing = Allotment {
            bytes: 0,
            time: Duration::ZERO,
            is_ended: Arc::clone(&is_ended),
        };
        means.settle(first, &nothing);
        // The second takes nothing.
        let second = means.share(3, &is_ended);
        assert_eq!(second.given.bytes, MOST_BYTES / 4);
        assert_eq!(second.given.time, MOST_TIME / 4);
        let all = second.allotment();
        means.settle(second, &all);
        let third = means.share(2, &is_ended);
        assert_eq!(third.given.bytes, MOST_BYTES / 4 * 3 / 2);
    }

    #[test]
    fn a_single_one_has_not_all() {
        let share = Means::of_sample().share(1, &Arc::default());
        assert_eq!(share.given.bytes, MOST_BYTES_OF_ONE);
        assert_eq!(share.given.time, MOST_TIME_OF_ONE);
    }

    #[test]
    fn frames_are_shared_as_well() {
        let is_ended = Arc::default();
        let mut means = Means::of_sample();
        let mut share = means.share(2, &is_ended);
        let all = share.allotment();
        assert!(share.has_room_for(2_000_000) && !share.has_room_for(1) && share.has_room_for(0));
        means.settle(share, &all);
        assert!(means.share(1, &is_ended).has_room_for(2_000_000));
    }
}
