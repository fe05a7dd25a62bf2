//! Signals that are blocked, so that they interrupt nothing and can be waited for.

use std::time::{Duration, Instant};

use crate::clock::timespec_from_ns;
use crate::error::WorkloadError;

/// A set of signals that the thread which made it, and all it starts afterwards, do not take.
pub struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub fn block(signals: &[libc::c_int]) -> Result<Self, WorkloadError> {
        // SAFETY: sigset_t is plain data that sigemptyset initialises next.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is live and writable.
        unsafe { libc::sigemptyset(&mut set) };
        for signal in signals {
            // SAFETY: `set` is live and initialised; a number that is no signal is refused.
            unsafe { libc::sigaddset(&mut set, *signal) };
        }
        // SAFETY: `set` is initialised; the old mask is not asked for.
        let refused = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
        if refused != 0 {
            let error = std::io::Error::from_raw_os_error(refused);
            return Err(WorkloadError::system("cannot block signals", error));
        }
        Ok(Self(set))
    }

    /// Waits until one of them comes, or for that long.
    pub fn wait(&self, limit: Option<Duration>) {
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            let left = deadline.map_or(Duration::from_secs(3600), |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            let left_ns = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            let timeout = timespec_from_ns(left_ns);
            // SAFETY: set and timeout are live; no information about the signal is asked for.
            let signal = unsafe { libc::sigtimedwait(&self.0, std::ptr::null_mut(), &timeout) };
            if signal > 0 || left.is_zero() {
                return;
            }
        }
    }
}
