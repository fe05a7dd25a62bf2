//! Whether a process has its pid still.

use std::fmt;
use std::sync::Arc;

/// Tells whether a pid means the process still that it has meant. From when it does not, what /proc shows by it is another's.
#[derive(Clone)]
pub struct IsThere(Arc<dyn Fn() -> bool + Send + Sync>);

impl IsThere {
    pub fn new(is_there: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_there))
    }

    pub(crate) fn ask(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for IsThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IsThere")
    }
}
