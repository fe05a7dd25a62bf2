//! Signals that there is something new.

use crate::targets::pidfd::Signal;

/// Raised when edges are taken in: others who wait for them find none left.
pub struct News {
    pub for_waiters: Signal,
    pub for_harvester: Signal,
}

impl News {
    pub fn raise(&self) {
        self.for_waiters.raise();
        self.for_harvester.raise();
    }
}
