//! How the demo's threads learn that it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Told to every demo thread, which looks at it at least every 100 ms.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
