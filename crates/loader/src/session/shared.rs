//! What the threads of a session share, and for how long each of them may have it.
//!
//! [`State`] is for those that must not wait, the caller's thread and the harvester: it is held for a few system calls that open or
//! close windows, and never for /proc, a grace period or a sleep. Whoever reads a window takes it out, and takes as long as it
//! takes: one at a time, and nobody else waits for that. A window's threads are its harvester's, until its reader takes them.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::session::attached::Attached;
use crate::session::living::Living;
use crate::session::news::News;
use crate::session::state::State;
use crate::targets::pidfd::Signal;

pub struct Shared {
    state: Mutex<State>,
    pub living: Living,
    /// Readable when an edge was set.
    pub edges: OwnedFd,
    /// Raised once the session is closed.
    pub closing: Signal,
    /// Raised when the probes are detached.
    pub detached: Arc<Signal>,
    pub news: Arc<News>,
}

impl Shared {
    pub fn new(
        state: State,
        living: Living,
        edges: OwnedFd,
        closing: Signal,
        detached: Arc<Signal>,
        news: Arc<News>,
    ) -> Self {
        Self {
            state: Mutex::new(state),
            living,
            edges,
            closing,
            detached,
            news,
        }
    }

    /// For a moment: see above. A poisoned lock means that a thread panicked while it held it; the state is still what it was
    /// between two calls, and closing must work.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn attached(&self) -> Result<Arc<Attached>> {
        self.lock().attached().cloned()
    }

    pub fn any_alive(&self) -> Result<bool> {
        let Ok(attached) = self.attached() else {
            return Ok(false);
        };
        Ok(!self.living.some(&attached.maps)?.is_empty())
    }

    /// The state, brought up to date: closes the open window if it is time, or if nobody is left to be seen in it. Fails, once, if a
    /// trigger was lost.
    pub fn advanced(&self) -> Result<MutexGuard<'_, State>> {
        let any_alive = self.any_alive()?;
        let mut state = self.lock();
        if let Ok(attached) = state.attached()
            && let Some(failure) = attached.triggers.take_failure()
        {
            return Err(failure);
        }
        state.advance(any_alive)?;
        Ok(state)
    }
}
